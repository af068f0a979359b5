# SPDX-License-Identifier: Apache-2.0
"""The server against a slow model in Python that was written from the reference, not from its code.

A case that differs is made smaller, datagram by datagram and rule by rule, while it still differs.
"""

from __future__ import annotations

import concurrent.futures
import copy
import json
import math
import random
import time
from collections import Counter
from dataclasses import replace
from typing import Callable, Iterator

from lib import protobuf
from lib.builds import JOBS
from lib.exposition import Page
from lib.harness import Server
from torture.model.dice import Case, Dice
from torture.model.server import Model
from torture.promise import Broken, Trial, promise

LINES = 120        # of a case
ATTEMPTS = 250     # to make a case smaller
ACCEPT = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited")

# How the server counts what the model counts: family and the label that the rest of the key is.
FAMILIES = {
    "lines": ("statsd_exporter_lines_total", None),
    "samples": ("statsd_exporter_samples_total", None),
    "tags": ("statsd_exporter_tags_total", None),
    "tag_errors": ("statsd_exporter_tag_errors_total", None),
    "unmapped": ("statsd_exporter_events_unmapped_total", None),
    "events_dogstatsd": ("bacowr_statsd_dogstatsd_events_total", None),
    "service_checks": ("bacowr_statsd_dogstatsd_service_checks_total", None),
    "sample_errors": ("statsd_exporter_sample_errors_total", "reason"),
    "events_error": ("statsd_exporter_events_error_total", "reason"),
    "events": ("statsd_exporter_events_total", "type"),
    "actions": ("statsd_exporter_events_actions_total", "action"),
}


def model_of(case: Case) -> Model:
    model = Model(copy.deepcopy(case.mapping) or {}, case.options, case.gauge_mode)
    for data in [b"\n".join(case.datagrams)] if case.stream else case.datagrams:
        model.datagram(data, case.stream)
    return model


def ask_server(case: Case, name: str) -> tuple[Page, bytes]:
    flags = [*case.options.flags(), f"--statsd.ingest-threads={case.threads}"]
    if case.gauge_mode != "delta":
        flags.append(f"--statsd.gauge-mode={case.gauge_mode}")
    mapping = None if case.mapping is None else json.dumps(case.mapping)
    with Server(flags, mapping, name) as server:
        if case.stream:
            server.stream(*pieces_of(b"\n".join(case.datagrams)))
        else:
            server.send(*case.datagrams)
        page = server.settle(model_of(case).counts["lines"])
        return page, server.get("/metrics", headers={"Accept": ACCEPT}).body


def pieces_of(data: bytes) -> list[bytes]:
    """Of a few bytes or many, cut anywhere."""
    dice = random.Random(len(data))
    at = sorted({0, len(data), *(dice.randrange(len(data) + 1) for _ in range(8))})
    return [data[begin:end] for begin, end in zip(at, at[1:])]


# ---- comparing ----

def spelled(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Bounds as the model spells them."""
    def one(key: str, value: str) -> str:
        try:
            return repr(float(value)) if key in ("le", "quantile") else value
        except ValueError:  # a sender's own label of that name
            return value

    return tuple(sorted((key, one(key, value)) for key, value in labels))


def same(wanted: float | None, found: float) -> bool:
    if wanted is None or math.isnan(wanted):
        return wanted is None or math.isnan(found)
    return math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-300)


def differences(case: Case, page: Page, wire: bytes) -> Iterator[str]:
    model = model_of(case)
    yield from compare_series(model, page)
    yield from compare_heads(model, page)
    yield from compare_counts(model.counts, page)
    yield from compare_formats(page, wire)


def compare_series(model: Model, page: Page) -> Iterator[str]:
    wanted = {(name, spelled(labels)): value for (name, labels), value in model.page().items()}
    found = {(name, spelled(labels)): value for family in page.families.values() if not family.own
             for (name, labels), value in family.samples.items()}
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found or key not in wanted or not same(wanted[key], found[key]):
            yield (f"{key} is {found.get(key, 'missing')}, "
                   f"the model says {wanted.get(key, 'nothing')}")


def compare_heads(model: Model, page: Page) -> Iterator[str]:
    for name, family in model.families.items():
        shown = page.families.get(name)
        wanted = "gauge" if family.type == "set" else family.type
        if shown and shown.type != wanted:
            yield f"{name} is a {shown.type}, the model says {wanted}"
        if shown and family.help and shown.help != family.help:
            yield f"help of {name} is {shown.help!r}, the model says {family.help!r}"


def compare_counts(counts: Counter[str], page: Page) -> Iterator[str]:
    wanted = {key: n for key, n in counts.items() if n}
    found: dict[str, float] = {}
    for name, (family, label) in FAMILIES.items():
        for (_, labels), value in page.families[family].samples.items():
            found[f"{name} {dict(labels)[label]}" if label else name] = value
    conflicts = page.families.get("statsd_exporter_events_conflict_total")
    for (_, labels), value in (conflicts.samples if conflicts else {}).items():
        found[f"conflict {dict(labels)['type']} {dict(labels)['metric_name']}"] = value
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key, 0) != found.get(key, 0):
            yield f"count of {key} is {found.get(key, 0):g}, the model says {wanted.get(key, 0)}"


def compare_formats(page: Page, wire: bytes) -> Iterator[str]:
    """The same samples in protobuf, as a reader of its own finds them."""
    text = {(name, spelled(labels)): value for family in page.families.values() if not family.own
            for (name, labels), value in family.samples.items()}
    binary = {(name, spelled(labels)): value for message in protobuf.read(wire)
              if message.name in page.families and not page.families[message.name].own
              for name, labels, value in message.samples}
    for key in sorted(text.keys() | binary.keys()):
        if key not in text or key not in binary or not same(text[key], binary[key]):
            yield f"{key} is {text.get(key)} as text and {binary.get(key)} in protobuf"


def wrong_with(case: Case, name: str) -> list[str]:
    try:
        return list(differences(case, *ask_server(case, name)))
    except Exception as error:  # a crash, a page that breaks the format: a finding too
        return [f"{type(error).__name__}: {error}"]


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


def tell(case: Case, wrong: list[str]) -> str:
    return "\n".join([f"mapping: {json.dumps(case.mapping)}", f"flags: {case.options} "
                      f"{case.gauge_mode}, stream {case.stream}, threads {case.threads}", *map(repr, case.datagrams), "", *wrong[:8]])


# ---- the promise ----

@promise("model", "any lines under any mapping give the page that the reference gives",
         build="asan")
def model(trial: Trial) -> str:
    """Random mappings, flags and lines, the whole page and all counters held against a model in
    Python written from the reference; protobuf read back too"""
    end = time.monotonic() + trial.seconds(5, 1200)
    dice = trial.dice
    n_cases = 0

    def one(seed: int) -> tuple[int, list[str]]:
        return seed, wrong_with(Dice(random.Random(seed)).case(LINES), f"model-{seed % 2}")

    with concurrent.futures.ThreadPoolExecutor(trial.pick(1, JOBS)) as pool:
        while time.monotonic() < end:
            for seed, wrong in pool.map(one, [dice.randrange(1 << 40) for _ in range(JOBS)]):
                if wrong:
                    fail(Dice(random.Random(seed)).case(LINES), wrong)
                n_cases += 1
    return f"{n_cases} mappings, {n_cases * LINES} lines: no page differs"


def fail(case: Case, wrong: list[str]) -> None:
    kind = wrong[0].split(" ")[0]
    small = shrink(case, lambda c: any(w.startswith(kind) or kind.startswith("(")
                                       for w in wrong_with(c, "model-shrink")))
    raise Broken(tell(small, wrong_with(small, "model-shrink") or wrong))
