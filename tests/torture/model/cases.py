# SPDX-License-Identifier: Apache-2.0
"""Random cases, tried on the real server until the time is over; one that is wrong is made smaller,
datagram by datagram and rule by rule, while it still is wrong.
"""

from __future__ import annotations

import concurrent.futures
import json
import random
import time
from dataclasses import replace
from typing import Callable, Iterator, Sequence

from lib.builds import JOBS
from lib.exposition import Page
from lib.harness import Server
from torture.model.dice import Case, Dice
from torture.promise import Broken, Trial

ATTEMPTS = 250  # to make a case smaller

Maker = Callable[[Dice], Case]
Judge = Callable[[Case, str], Iterator[str]]  # what is wrong with it; the name is for its log


def ask(case: Case, name: str, n_lines: int, flags: Sequence[str],
        accepts: Sequence[str]) -> tuple[Page, list[bytes]]:
    """What a server that got it shows as text, and in the formats that are named."""
    flags = [*flags, *case.options.flags(), f"--statsd.ingest-threads={case.threads}"]
    if case.gauge_mode != "delta":
        flags.append(f"--statsd.gauge-mode={case.gauge_mode}")
    mapping = None if case.mapping is None else json.dumps(case.mapping)
    with Server(flags, mapping, name) as server:
        if case.stream:
            server.stream(*pieces_of(b"\n".join(case.datagrams)))
        else:
            server.send(*case.datagrams)
        page = server.settle(n_lines)
        return page, [server.get("/metrics", headers={"Accept": accept}).body
                      for accept in accepts]


def pieces_of(data: bytes) -> list[bytes]:
    """Of a few bytes or many, cut anywhere."""
    dice = random.Random(len(data))
    at = sorted({0, len(data), *(dice.randrange(len(data) + 1) for _ in range(8))})
    return [data[begin:end] for begin, end in zip(at, at[1:])]


def try_cases(trial: Trial, seconds: float, make: Maker, judge: Judge) -> int:
    """How many; the first that is wrong is raised."""
    end = time.monotonic() + seconds
    dice, n_cases = trial.dice, 0

    def one(seed: int) -> tuple[int, list[str]]:
        return seed, wrong_with(judge, make(Dice(random.Random(seed))), f"{trial.name}-{seed % 2}")

    with concurrent.futures.ThreadPoolExecutor(trial.pick(1, JOBS)) as pool:
        while time.monotonic() < end:
            for seed, wrong in pool.map(one, [dice.randrange(1 << 40) for _ in range(JOBS)]):
                if wrong:
                    fail(judge, make(Dice(random.Random(seed))), wrong)
                n_cases += 1
    return n_cases


def wrong_with(judge: Judge, case: Case, name: str) -> list[str]:
    try:
        return list(judge(case, name))
    except Exception as error:  # a crash, a page that breaks the format: a finding too
        return [f"{type(error).__name__}: {error}"]


def fail(judge: Judge, case: Case, wrong: list[str]) -> None:
    kind = wrong[0].split(" ")[0]
    small = shrink(case, lambda c: any(w.startswith(kind) or kind.startswith("(")
                                       for w in wrong_with(judge, c, "model-shrink")))
    raise Broken(tell(small, wrong_with(judge, small, "model-shrink") or wrong))


def tell(case: Case, wrong: list[str]) -> str:
    return "\n".join([f"mapping: {json.dumps(case.mapping)}",
                      f"flags: {case.options} {case.gauge_mode}, stream {case.stream}, threads "
                      f"{case.threads}", *map(repr, case.datagrams), "", *wrong[:8]])


# ---- making a case smaller ----

def smaller_lists(items: list[object]) -> Iterator[list[object]]:
    size = len(items) // 2
    while size >= 1:
        for at in range(0, len(items), size):
            yield items[:at] + items[at + size:]
        size //= 2


def smaller(case: Case) -> Iterator[Case]:
    lines = [line for datagram in case.datagrams for line in datagram.split(b"\n")]
    if len(lines) > len(case.datagrams):
        yield replace(case, datagrams=lines)
    for datagrams in smaller_lists(list(case.datagrams)):
        yield replace(case, datagrams=datagrams)
    for settings in smaller_mappings(case):
        yield replace(case, mapping=settings)


def smaller_mappings(case: Case) -> Iterator[dict[str, object] | None]:
    if case.mapping is None:
        return
    yield None
    for rules in smaller_lists(case.mapping["mappings"]):
        yield {**case.mapping, "mappings": rules}
    holders = [("defaults", case.mapping["defaults"])]
    for key in holders[0][1]:
        yield {**case.mapping, "defaults": {k: v for k, v in holders[0][1].items() if k != key}}
    for nth, rule in enumerate(case.mapping["mappings"]):
        for key in rule.keys() - {"match", "name"}:
            less = {k: v for k, v in rule.items() if k != key}
            rules = case.mapping["mappings"]
            yield {**case.mapping, "mappings": [*rules[:nth], less, *rules[nth + 1:]]}


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    left = ATTEMPTS
    while left > 0:
        for candidate in smaller(case):
            left -= 1
            if fails(candidate):
                case = candidate
                break
            if left <= 0:
                break
        else:
            return case
    return case
