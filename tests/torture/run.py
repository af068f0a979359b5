#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tries every promise of docs/reliability.md on the real server: one line each, with its figure.

    run.py                  the long form, two hours: `make torture`
    run.py --short          the same promises in 25 seconds: a stage of `make test`
    run.py --only NAME      one promise, or all whose names begin so; may be repeated
    run.py --seed N         the same dice again

In the long form one is tried after the other, but those that take time rather than processors run
beside them. The first promise that does not hold ends the run with exit status 1, and what runs
beside it; what it said is shown, and kept under build/test-logs/torture. The last line is
`N passed, N failed`, of promises; above it stands which were not tried, or not to their end.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import os
import re
import secrets
import select
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import builds  # noqa: E402
from lib.builds import LOGS, ROOT  # noqa: E402
from torture.promise import PROMISES, Promise, Trial, use  # noqa: E402

DOCUMENT = ROOT / "docs" / "reliability.md"
FIGURE = "figure: "
SHORT_SECONDS = 60.0      # no promise may take longer: a machine may be slow
LONG_SECONDS = 2 * 3600.0

BUILDS: dict[str, Callable[[], None]] = {
    "asan": lambda: builds.build_asan("bacowr-statsd"),
    "tsan": lambda: builds.build_tsan("bacowr-statsd"),
    "release": builds.build_release,
    "none": lambda: None,
}


def load() -> None:
    for file in sorted((ROOT / "tests" / "torture" / "promises").glob("*.py")):
        importlib.import_module(f"torture.promises.{file.stem}")


def end_all() -> None:
    """This process and what it began, which may hold its output open."""
    os.killpg(0, signal.SIGKILL)


def end_with(run: int, seconds: float) -> None:
    """This process ends when the other end of this pipe is closed, or its owner gone, or after so
    long."""
    def wait() -> None:
        if not select.select([run], [], [], seconds)[0]:
            print(f"not done within {seconds:g} s", flush=True)
        end_all()

    os.setpgid(0, 0)
    threading.Thread(target=wait, daemon=True).start()


def child(trial: Trial, run: int) -> int:
    """In the process of one promise."""
    end_with(run, SHORT_SECONDS if trial.short else LONG_SECONDS)
    chosen = PROMISES[trial.name]
    if chosen.build != "none":
        use(chosen.build)
    os.environ["BACOWR_TEST_LOGS"] = str(LOGS / "torture" / trial.name)
    try:
        print(FIGURE + chosen.test(trial), flush=True)
    except Exception:  # whatever it is, the promise was not kept
        traceback.print_exc()
        end_all()
    return 0


def try_one(chosen: Promise, trial: Trial, run: int) -> tuple[bool, str, float]:
    """Does it hold? And its figure, or all that was said; the seconds it took. @run: a pipe that
    nobody writes to."""
    begin = time.monotonic()
    command = [sys.executable, "-B", __file__, "--child", chosen.name, f"--run={run}", "--seed",
               str(trial.seed), f"--scale={trial.scale}"]
    status, output = builds.call(f"torture-{chosen.name}", command + ["--short"] * trial.short,
                                 seconds=None, descriptors=[run])
    took = time.monotonic() - begin
    last = output.rstrip().rpartition("\n")[2]
    if status == 0 and last.startswith(FIGURE):
        return True, last.removeprefix(FIGURE), took
    return False, output.rstrip(), took


@dataclass
class Tried:
    figures: dict[str, str] = field(default_factory=dict)  # of those that held
    broken: list[str] = field(default_factory=list)


def try_all(chosen: list[Promise], trial: Trial) -> Tried:
    """When a promise is broken, none is begun after that, and in the long form what still runs is
    ended: it may have an hour before it. Each is told when it has ended."""
    tried = Tried()
    aside = [promise for promise in chosen if promise.aside and not trial.short]
    run, end = os.pipe()

    def one(promise: Promise) -> tuple[bool, str, float] | None:
        if tried.broken:
            return None
        result = try_one(promise, trial, run)
        if not result[0]:
            if tried.broken and not trial.short:
                return None  # ended with the run
            tried.broken.append(promise.name)
        return result

    with (concurrent.futures.ThreadPoolExecutor(builds.JOBS if trial.short else 1) as pool,
          concurrent.futures.ThreadPoolExecutor(1) as beside):
        begun = {(beside if promise in aside else pool).submit(one, promise): promise
                 for promise in chosen}
        try:
            for ended in concurrent.futures.as_completed(begun):
                result = ended.result()
                if result is None:
                    continue
                tell(begun[ended], trial, tried, result)
                if not result[0] and not trial.short:
                    break
        finally:
            os.close(end)
    os.close(run)
    return tried


def tell(promise: Promise, trial: Trial, tried: Tried, result: tuple[bool, str, float]) -> None:
    held, said, took = result
    word = "ok" if held else "BROKEN"
    print(f"{word:6} {promise.name:18} {took:7.1f} s  {said if held else promise.text}", flush=True)
    if held:
        tried.figures[promise.name] = said
        return
    print(f"{said}\nagain: tests/torture/run.py --only {promise.name} --seed {trial.seed}"
          + " --short" * trial.short, flush=True)


# ---- the document: a row for each promise ----

ROW = re.compile(r"^\| `([\w.-]+)` \|", re.MULTILINE)


def rows() -> dict[str, str]:
    lines = DOCUMENT.read_text().splitlines()
    return {match[1]: line for line in lines if (match := ROW.match(line))}


def row(chosen: Promise, figure: str) -> str:
    cells = [f"`{chosen.name}`", chosen.text, chosen.about, figure]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def document_faults() -> Iterator[str]:
    have = rows()
    for name in sorted(have.keys() ^ PROMISES.keys()):
        yield f"{name} is {'no promise' if name in have else 'missing'} in docs/reliability.md"
    for name, chosen in PROMISES.items():
        wanted = row(chosen, "").removesuffix("|").rstrip()
        if name in have and not have[name].startswith(wanted):
            yield f"the row of {name} in docs/reliability.md is not: {wanted}"


def form_of(trial: Trial) -> str:
    """Stands before each figure."""
    if trial.short:
        return "short"
    return "long" if trial.scale == 1 else f"{trial.scale:g} of long"


def write_document(figures: dict[str, str]) -> None:
    """New figures into the rows; a promise that has no row gets one at the table's end."""
    text, have = DOCUMENT.read_text(), rows()
    for name, chosen in PROMISES.items():
        figure = figures.get(name)
        if name in have:
            old = have[name].removesuffix(" |").rpartition(" | ")[2]
            text = text.replace(have[name], row(chosen, figure or old))
        else:
            end = text.rindex("\n| `")
            end = text.index("\n", end + 1)
            text = text[:end] + "\n" + row(chosen, figure or "not run yet") + text[end:]
    DOCUMENT.write_text(text)


def choose(names: list[str] | None, short: bool) -> list[Promise]:
    if names:
        return [p for p in PROMISES.values() if any(p.name.startswith(name) for name in names)]
    return [p for p in PROMISES.values() if p.in_short or not short]


def main() -> int:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--short", action="store_true", help="seconds instead of hours")
    parser.add_argument("--only", action="append", metavar="NAME", help="promises named so")
    parser.add_argument("--list", action="store_true", help="name them, with what they promise")
    parser.add_argument("--seed", type=int, help="of all dice; without it, a new one")
    parser.add_argument("--scale", type=float, default=1.0,
                        help="of the long form's times: 0.1 is a tenth of them")
    parser.add_argument("--write", action="store_true",
                        help="put the figures into docs/reliability.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    load()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    if arguments.child:
        return child(Trial(arguments.child, arguments.short, seed, arguments.scale), arguments.run)
    chosen = choose(arguments.only, arguments.short)
    if arguments.list:
        for promise in chosen:
            print(f"{promise.name:18} {promise.text}")
        return 0
    return run(chosen, Trial("all", arguments.short, seed, arguments.scale), arguments.write)


def run(chosen: list[Promise], trial: Trial, write: bool) -> int:
    faults = [] if write else list(document_faults())
    for fault in faults:
        print(f"BROKEN {fault}")
    if faults or not chosen:
        print(f"0 passed, {max(len(faults), 1)} failed")
        return 1
    for name in sorted({promise.build for promise in chosen}):
        BUILDS[name]()
    print(f"seed {trial.seed}", flush=True)
    tried = try_all(chosen, trial)
    untried = [p.name for p in chosen if p.name not in tried.figures and p.name not in tried.broken]
    if untried:
        print(f"not tried: {', '.join(untried)}")
    if write:
        write_document({name: f"{form_of(trial)}: {figure}"
                        for name, figure in tried.figures.items()})
    print(f"{len(tried.figures)} passed, {len(tried.broken)} failed")
    return 1 if tried.broken else 0


if __name__ == "__main__":
    sys.exit(main())
