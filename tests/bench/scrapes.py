# SPDX-License-Identifier: Apache-2.0
"""What the page of very many counters costs, and whether anything else waits for it (goal 4).

Plain and compressed pages take turns with zlib alone, which compresses the very same bytes in the
same slices on the same processor. Then, while pages are fetched without a break and samples come
in, /-/healthy is asked how long it takes; and ten clients take their pages so slowly that none is
done, while samples come in: the server's memory must not grow with what they have not taken.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import sys
import time
import zlib
from typing import TYPE_CHECKING

from bench.receivers import (Load, Unbelievable, Web, on_cpus, resident_bytes, schedule_of,
                             server_cpu, sockets_of)
from bench.tables import Goal, Row, pair, spread
from lib.harness import HOST

if TYPE_CHECKING:
    from bench.measures import Bench

SLICE = 65536        # as the server compresses
FILL_RATE = 10_000   # datagrams a second
N_FILLS = 5
MEANWHILE_RATE = 10_700  # of W2: 500 000 lines a second
PROBE_EVERY = 0.005
N_SLOW = 10
SLOW_BYTES = 4096   # that each slow client takes ...
SLOW_EVERY = 0.02   # ... so often
SLOW_GOAL = 4.0     # MB: each has a slice or two on its way, and a page has 55


def measure_scrape(bench: Bench) -> None:
    if bench.peer is not None and "{web}" not in bench.peer:
        return
    with bench.server() as server:
        if fill(bench, server):
            measure_pages(bench, server)
            if bench.peer is None:
                measure_meanwhile(bench, server)
                measure_slow(bench, server)
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


def begin_page(stack: contextlib.ExitStack, server: Web) -> socket.socket:
    """A client that asked for the page, and has a small buffer for it."""
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
    client.settimeout(10)
    client.connect((HOST, server.web))
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def take_slowly(server: Web, seconds: float) -> float:
    """Ten clients take a little of their pages again and again; the most that was resident."""
    most = 0.0
    with contextlib.ExitStack() as stack:
        clients = [begin_page(stack, server) for _ in range(N_SLOW)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for client in clients:
                if not client.recv(SLOW_BYTES):
                    raise Unbelievable("a slow client's page has ended")
            most = max(most, resident_bytes(server.pid))
            time.sleep(SLOW_EVERY)
    return most


def measure_slow(bench: Bench, server: Web) -> None:
    if bench.size.n_labelled < 100_000:
        return  # a page that fits the kernel's buffers is nobody's memory
    server.settle()
    dropped, before = sockets_of(server.port).dropped, resident_bytes(server.pid)
    load = Load(bench.programs, server.port, "W2", "--rate", MEANWHILE_RATE, "--seconds",
                bench.size.meanwhile)
    try:
        most = take_slowly(server, bench.size.meanwhile)
        sent = load.wait()
    finally:
        load.process.kill()
    server.n_sent += sent.datagrams
    server.settle()
    lost = sockets_of(server.port).dropped - dropped
    bench.add(Row("scrape", f"{N_SLOW} slow clients, memory more", "MB",
                  spread([max(0.0, most - before) / 1e6]), goal=Goal(SLOW_GOAL, gate=True)),
              Row("scrape", "lost meanwhile, slow clients", "datagrams", spread([lost]),
                  goal=Goal(0, gate=True), note=f"{sent.lines / sent.seconds:.0f} lines/s sent"))
