# SPDX-License-Identifier: Apache-2.0
"""What the page of very many counters costs, and whether anything else waits for it (goal 4).

Plain and compressed pages take turns with zlib alone, which compresses the very same bytes in the
same slices on the same processor. Then, while pages are fetched without a break and samples come
in, /-/healthy is asked how long it takes.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
import zlib
from typing import TYPE_CHECKING

from bench.receivers import (Load, Unbelievable, Web, on_cpus, schedule_of, server_cpu,
                             sockets_of)
from bench.tables import Goal, Row, pair, spread

if TYPE_CHECKING:
    from bench.measures import Bench

SLICE = 65536        # as the server compresses
FILL_RATE = 10_000   # datagrams a second
N_FILLS = 5
MEANWHILE_RATE = 10_700  # of W2: 500 000 lines a second
PROBE_EVERY = 0.005


def measure_scrape(bench: Bench) -> None:
    if bench.peer is not None and "{web}" not in bench.peer:
        return
    with bench.server() as server:
        if fill(bench, server):
            measure_pages(bench, server)
            if bench.peer is None:
                measure_meanwhile(bench, server)
        elif bench.peer is None:
            raise Unbelievable("the page has not all of its series")
        else:
            print("sockets: the peer's page has not all of the series", file=sys.stderr)
        bench.close(server)


def fill(bench: Bench, server: Web) -> bool:
    """Until all series are there: what was dropped comes again."""
    for _ in range(N_FILLS):
        run = server.drive("labelled", "--series", bench.size.n_labelled, "--rate", FILL_RATE)
        if run.dropped == 0:
            break
    return server.get().count(b"\nlabelled_total{") == bench.size.n_labelled


def cpu_of_scrape(server: Web, **headers: str) -> tuple[float, bytes]:
    server.settle()
    before = schedule_of(server.pid)[0]
    body = server.get(**headers)
    return (schedule_of(server.pid)[0] - before) / 1e9, body


def cpu_of_zlib(page: bytes) -> float:
    with on_cpus([server_cpu()]):
        begin = time.thread_time()
        compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
        view = memoryview(page)
        for i in range(0, len(page), SLICE):
            compressor.compress(view[i:i + SLICE])
        compressor.flush()
        return time.thread_time() - begin


def measure_pages(bench: Bench, server: Web) -> None:
    plain, packed, alone = [], [], []
    for _ in bench.rounds():
        cpu, page = cpu_of_scrape(server)
        plain.append(cpu)
        cpu, body = cpu_of_scrape(server, **{"Accept-Encoding": "gzip"})
        packed.append(cpu)
        if zlib.decompress(body, 31).count(b"\n") != page.count(b"\n"):
            raise Unbelievable("the compressed page is another one")
        alone.append(cpu_of_zlib(page))
    name = f"{bench.size.n_labelled} counters"
    bench.add(Row("scrape", f"{name}, plain", "CPU-s", spread(plain)),
              pair("scrape", f"{name}, gzip", "CPU-s", packed, alone,
                   Goal(1.4, "ratio", gate=True), "the reference is zlib's level 1 alone"))


def scrape_for(server: Web, seconds: float) -> None:
    """A process of its own: this one's language would let its threads wait for each other."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        server.get()
        server.get(**{"Accept-Encoding": "gzip"})


def measure_meanwhile(bench: Bench, server: Web) -> None:
    seconds, dropped = bench.size.meanwhile, sockets_of(server.port).dropped
    load = Load(bench.programs, server.port, "W2", "--rate", MEANWHILE_RATE, "--seconds", seconds)
    scraper = multiprocessing.get_context("fork").Process(target=scrape_for,
                                                          args=(server, seconds))
    scraper.start()
    try:
        took = probe(server, seconds)
        sent = load.wait()
    finally:
        load.process.kill()
        scraper.join(60)
        scraper.kill()
    if scraper.exitcode != 0:
        raise Unbelievable("pages could not be fetched meanwhile")
    server.n_sent += sent.datagrams
    server.settle()
    lost = sockets_of(server.port).dropped - dropped
    bench.add(Row("scrape", "/-/healthy meanwhile, slowest", "ms", spread([max(took)]),
                  goal=Goal(50, gate=True), note=f"of {len(took)}; middle "
                                                 f"{spread(took).median:.1f} ms"),
              Row("scrape", "lost meanwhile", "datagrams", spread([lost]),
                  goal=Goal(0, gate=True), note=f"{sent.lines / sent.seconds:.0f} lines/s sent"))


def probe(server: Web, seconds: float) -> list[float]:
    """ms from before the connection to the end of the answer, each time."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        server.get("/-/healthy")
        took.append((time.monotonic() - begin) * 1e3)
        time.sleep(PROBE_EVERY)
    return took
