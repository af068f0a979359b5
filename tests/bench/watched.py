# SPDX-License-Identifier: Apache-2.0
"""What it costs to be looked at: the status page open, and a tap running.

The page's questions are asked as page.js asks them, by a thread of this process; the tap is the
program's own. Both begin and end with the load that they watch, and share the load's processor.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from bench.receivers import LOSS_RATES, Run, Unbelievable, Web, lossless, sum_of
from bench.tables import Goal, Row, pair, spread
from lib.harness import HOST, end_process, wait_until

if TYPE_CHECKING:
    from bench.measures import Bench

# Seconds between two askings of the same: page.js' RATES_MS, LISTS_MS and WALKS_MS.
ASKED = {"/api/v1/rates?since=0": 2.0,
         "/api/v1/refused": 5.0, "/api/v1/unmapped": 5.0, "/api/v1/status": 5.0,
         "/api/v1/sources": 5.0,
         "/api/v1/families?limit=200": 10.0, "/api/v1/cardinality": 10.0,
         "/api/v1/mapping?limit=300": 10.0}
READERS = "bacowr_statsd_tap_readers"


class Watcher:
    """The page, in a thread."""

    def __init__(self, server: Web) -> None:
        self.server = server
        self.n_asked = 0
        self.fault: Exception | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        due = dict.fromkeys(ASKED, 0.0)
        try:
            while not self.over.is_set():
                for path in [path for path, at in due.items() if at <= time.monotonic()]:
                    due[path] = time.monotonic() + ASKED[path]
                    self.server.get(path)
                    self.n_asked += 1
                self.over.wait(0.05)
        except (OSError, Unbelievable) as fault:
            self.fault = fault

    def end(self) -> None:
        self.over.set()
        self.thread.join(30)
        if self.fault or self.n_asked < len(ASKED):
            raise Unbelievable(f"the page was asked for {self.n_asked} times: {self.fault}")


@contextlib.contextmanager
def watching(server: Web, binary: Path, log: Path) -> Iterator[None]:
    out = log.with_name("tapped")
    with open(out, "wb") as tapped, open(log, "ab") as told:
        tap = subprocess.Popen([binary, "tap", f"--web.listen-address={HOST}:{server.web}"],
                               stdin=subprocess.DEVNULL, stdout=tapped, stderr=told)
    wait_until("the tap reads", lambda: sum_of(server.get(), READERS) == 1)
    page = Watcher(server)
    try:
        yield
    finally:
        page.end()
        if end_process(tap) != 0 or out.stat().st_size == 0:
            raise Unbelievable("the tap saw nothing")


def measure_watched(bench: Bench) -> None:
    """One server, looked at and left alone by turns. What the looking costs the ingest thread is in
    its own CPU time, all of it in the process's. The rates are fixed and nothing is lost, so that
    both receive the same: the sender shares its processor with who looks."""
    if bench.peer is not None:
        return
    for name in LOSS_RATES:
        load = lossless(name, bench.size.watched)
        with bench.server() as server:
            def watched() -> Run:
                with watching(server, bench.binary, bench.log):
                    return server.drive(*load)

            def alone() -> Run:
                return server.drive(*load)

            server.give_birth(name)
            looked_at, left = bench.take_turns(watched, alone)
            note = "the reference is ours with nobody looking"
            bench.add(pair("watched", f"{name}, process", "ns/line",
                           [run.ns_per_line for run in looked_at],
                           [run.ns_per_line for run in left], note=note),
                      pair("watched", f"{name}, ingest thread", "ns/line",
                           [run.ingest_ns_per_line for run in looked_at],
                           [run.ingest_ns_per_line for run in left], Goal(1.1, "ratio"), note),
                      Row("watched", f"{name}, lost", "datagrams",
                          spread([sum(run.dropped for run in looked_at)]),
                          spread([sum(run.dropped for run in left)]), goal=Goal(0), note=note))
            bench.close(server)
