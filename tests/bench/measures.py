# SPDX-License-Identifier: Apache-2.0
"""The measurements that sockets.py can make, in the order of docs/performance.md.

Each takes a Bench and adds rows to its report. Figures of ours and of the sink come from the same
load, one after the other, and each goes first in every other round.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator, Sequence

from bench.receivers import (CPUS, JOINED, LOSS_RATES, RECEIVED, Joined, Load, Ours, Peer, Programs,
                             Receiver, Run, Sink, Unbelievable, Web, lossless, on_cpus,
                             ours_command, resident_bytes, schedule_of, server_cpu, sum_of)
from bench.scrapes import measure_scrape
from bench.tables import Account, Goal, Report, Row, pair, spread
from bench.watched import measure_watched
from lib.harness import HOST, end_process, free_port, wait_until


SATURATED_GOALS = {"W1": 1.2, "W2": 1.6, "W3": 1.6, "W4": 3.3}
RESIDENT_GOALS = {"W2": 6, "W4": 60}  # MB: goal 3, of all that the process holds
ORDINARY_RATE = 20_000
N_PROBES = 50
N_SOURCES = 16


@dataclass(frozen=True)
class Size:
    """How much of each: workloads, seconds, different lines, and series on the page."""

    workloads: Sequence[str]
    saturated: float
    ordinary: float
    loss: float
    idle: float
    meanwhile: float
    watched: float
    limit: float    # no further round of a row begins after so long
    n_lines: int
    n_labelled: int


SIZES = {"full": Size(tuple(SATURATED_GOALS), 1.0, 2.0, 10.0, 10.0, 5.0, 5.0, 60.0, 200_000, 1_000_000),
         "tiny": Size(("W2",), 0.1, 0.1, 0.2, 0.2, 0.3, 0.2, 1.0, 10_000, 2_000)}


@dataclass
class Bench:
    report: Report
    size: Size
    binary: Path
    programs: Programs
    mapping: Path
    log: Path

    @property
    def peer(self) -> str | None:
        return self.report.peer

    def rounds(self) -> Iterator[int]:
        end = time.monotonic() + self.size.limit
        for i in range(self.report.rounds):
            yield i
            if time.monotonic() > end:
                return

    def take_turns(self, one: Callable[[], Run],
                   other: Callable[[], Run]) -> tuple[list[Run], list[Run]]:
        """Who begins changes from round to round."""
        runs: tuple[list[Run], list[Run]] = [], []
        for i in self.rounds():
            for at in (i % 2, 1 - i % 2):
                runs[at].append((one, other)[at]())
        return runs

    def server(self, *flags: str, cpus: Sequence[int] = ()) -> Web:
        """What is measured: ours, or the peer."""
        cpus = cpus or [server_cpu()]
        if self.peer is not None:
            return Peer(self.peer, self.programs, cpus, self.log)
        return Ours(self.binary, self.programs, cpus, self.log, self.mapping, flags)

    def joined(self) -> Joined:
        return Joined(JOINED, self.binary, self.programs, [server_cpu()], self.log, self.mapping)

    def sink(self) -> Sink:
        return Sink(self.programs, [server_cpu()], self.log)

    def close(self, *receivers: Receiver) -> None:
        """End them, and hold them to their accounts."""
        for receiver in receivers:
            account = receiver.account()
            if account is None:
                continue
            if not account.agrees():
                raise Unbelievable(f"datagrams are unaccounted for: {account}")
            self.report.accounts.append(account)

    def add(self, *rows: Row) -> None:
        """The goals are ours, not a peer's."""
        self.report.rows += rows if self.peer is None else [replace(row, goal=None)
                                                            for row in rows]


def alternate(bench: Bench, one: Receiver, other: Receiver,
              *arguments: object) -> tuple[list[Run], list[Run]]:
    """The same load for both, round by round."""
    return bench.take_turns(lambda: one.drive(*arguments), lambda: other.drive(*arguments))


def costs(runs: Sequence[Run]) -> list[float]:
    return [run.ns_per_line for run in runs]


def middle(values: Sequence[float]) -> float:
    return spread(values).median


def describe(ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    """How much of their processor they used, and how much of the load the kernel dropped."""
    def of(runs: Sequence[Run]) -> str:
        lost = sum(run.dropped for run in runs) / sum(run.sent.datagrams for run in runs)
        return f"{middle([run.busy for run in runs]):.0%} busy {lost:.0%} lost"

    return f"{of(ours)}; sink {of(theirs)}"


# ---- goal 6 ----

def measure_saturated(bench: Bench) -> None:
    for name in bench.size.workloads:
        with bench.server() as server, bench.sink() as sink:
            server.give_birth(name)
            ours, theirs = alternate(bench, server, sink, name, "--seconds", bench.size.saturated,
                                     "--join", JOINED if name == "W1" else 1)
            bench.add(pair("saturated", name, "ns/line", costs(ours), costs(theirs),
                           Goal(SATURATED_GOALS[name], "ratio"), describe(ours, theirs)))
            if name in RESIDENT_GOALS:
                bench.add(Row("memory", f"{name}, resident", "MB",
                              spread([resident_bytes(server.pid) / 1e6]),
                              goal=Goal(RESIDENT_GOALS[name])))
            bench.close(server, sink)


# ---- goal 10 ----

def measure_gro(bench: Bench) -> None:
    """The sink gets the same groups one by one."""
    if bench.peer is not None:
        return
    with bench.joined() as server, bench.sink() as sink:
        server.give_birth("W1")
        ours, theirs = alternate(bench, server, sink, "W1", "--seconds", bench.size.saturated,
                                 "--join", JOINED)
        bench.add(pair("gro", "W1", "ns/line", costs(ours), costs(theirs), Goal(0.4, "ratio"),
                       describe(ours, theirs)))
        bench.close(server, sink)


# ---- goal 7 ----

def measure_ordinary(bench: Bench) -> None:
    load = "W1", "--rate", ORDINARY_RATE, "--seconds", bench.size.ordinary
    with bench.server() as server, bench.sink() as sink:
        server.give_birth("W1")
        ours, theirs = alternate(bench, server, sink, *load)
        bench.add(pair("ordinary", f"{ORDINARY_RATE} datagrams/s", "ns/line", costs(ours),
                       costs(theirs), Goal(0.4, "ratio"), describe(ours, theirs)))
        bench.close(server, sink)
    if bench.peer is None:
        measure_visible(bench)


def measure_visible(bench: Bench) -> None:
    """From a sample's sending to the end of a page that shows it, while others come in."""
    with bench.server() as server:
        server.give_birth("W1")
        took: list[float] = []
        load = Load(bench.programs, server.port, "W1", "--rate", ORDINARY_RATE, "--seconds", 30)
        try:
            before = sum_of(server.get(), RECEIVED)
            wait_until("the load has begun", lambda: sum_of(server.get(), RECEIVED) > before)
            with contextlib.closing(Probe(server)) as probe:
                for i in range(N_PROBES):
                    took.append(probe.ms_until_shown(i + 1))
        finally:
            load.cut_short()
        name = f"{N_PROBES} samples"
        bench.add(Row("visible", f"{name}, middle", "ms", spread([middle(took)]), goal=Goal(5)),
                  Row("visible", f"{name}, slowest", "ms", spread([max(took)]), goal=Goal(5)))


class Probe:
    """A gauge of its own, and a connection that stays."""

    def __init__(self, server: Web) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect((HOST, server.port))
        self.web = http.client.HTTPConnection(HOST, server.web, timeout=10)

    def ms_until_shown(self, value: int) -> float:
        wanted = f"\nprobe_gauge {value}\n".encode()
        begin = time.monotonic()
        self.udp.send(f"probe_gauge:{value}|g".encode())
        while time.monotonic() < begin + 10:
            self.web.request("GET", "/metrics", headers={"Accept-Encoding": "identity"})
            if wanted in self.web.getresponse().read():
                return (time.monotonic() - begin) * 1e3
        raise Unbelievable("a sample does not appear on the page")

    def close(self) -> None:
        self.udp.close()
        self.web.close()


# ---- goal 8 ----

def measure_loss(bench: Bench) -> None:
    for name, rate in LOSS_RATES.items():
        load = lossless(name, bench.size.loss)
        with bench.server() as server, bench.sink() as sink:
            server.give_birth(name)
            ours, theirs = server.drive(*load), sink.drive(*load)
            sent = ours.sent.datagrams / ours.sent.seconds
            bench.add(Row("loss", f"{name}, {rate} datagrams/s", "datagrams",
                          spread([ours.dropped]), spread([theirs.dropped]), goal=Goal(0),
                          note=f"{sent:.0f}/s sent; {ours.busy:.0%} busy, "
                               f"waited {ours.waited_ns / 1e6:.0f} ms for its CPU"))
            bench.close(server, sink)
    if bench.peer is None:
        measure_overload(bench)


def measure_overload(bench: Bench) -> None:
    """The server stands still for a time, so that drops are certain."""
    with bench.server() as server:
        load = Load(bench.programs, server.port, "W1", "--seconds", 1, "--join", JOINED)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGCONT)
        server.n_sent += load.wait().datagrams
        account = server.account()
        assert isinstance(account, Account)
        missing = account.sent - account.received - account.dropped
        if account.dropped == 0:
            raise Unbelievable("the overload was none")
        bench.add(Row("loss", "overload, unaccounted for", "datagrams", spread([abs(missing)]),
                      goal=Goal(0), note=f"{account.sent} sent, {account.received} received, "
                                         f"{account.dropped} counted as dropped"))
        if account.agrees():
            bench.report.accounts.append(account)


# ---- goal 9 ----

def measure_threads(bench: Bench) -> None:
    """One thread and two, each free to run on any processor; many sources, since one source's
    datagrams stay together."""
    if bench.peer is not None:
        return
    with bench.server("--statsd.ingest-threads=2", cpus=CPUS) as two, \
            bench.server(cpus=CPUS) as one:
        for server in (two, one):
            server.give_birth("W2")
        ours, theirs = alternate(bench, two, one, "W2", "--sources", N_SOURCES, "--seconds",
                                 bench.size.saturated)
        bench.add(pair("threads", "W2, two beside one", "ns/line", costs(ours), costs(theirs),
                       note="the reference is ours with one thread"))
        bench.close(two, one)


# ---- goal 5 ----

def measure_start(bench: Bench) -> None:
    if bench.peer is None:
        times = [ms_until_ready(bench) for _ in bench.rounds()]
        bench.add(Row("start", "ready, with 1100 rules", "ms", spread(times),
                      goal=Goal(20, gate=True)),
                  Row("start", "binary, stripped", "kB", spread([stripped_bytes(bench) / 1e3]),
                      goal=Goal(1000, gate=True)))
    with bench.server() as server:
        server.settle()
        before = schedule_of(server.pid)[0]
        time.sleep(bench.size.idle)
        ran = (schedule_of(server.pid)[0] - before) / 1e9
        bench.add(Row("start", f"idle for {bench.size.idle:g} s", "% of CPU",
                      spread([100 * ran / bench.size.idle]), goal=Goal(0.1, gate=True)))
        bench.close(server)


def ms_until_ready(bench: Bench) -> float:
    """From the process's creation to the first good answer to /-/ready."""
    port, web = free_port(), free_port()
    command = ours_command(bench.binary, port, web, bench.mapping)
    with open(bench.log, "ab") as log, on_cpus([server_cpu()]):
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_ready(web)
        return (time.monotonic() - begin) * 1e3
    finally:
        end_process(process)


def wait_ready(web: int) -> None:
    request = b"GET /-/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((HOST, web), 5) as connection:
            connection.sendall(request)
            if connection.recv(64).startswith(b"HTTP/1.1 200 "):
                return
        time.sleep(0.0002)
    raise Unbelievable("the server does not become ready")


def stripped_bytes(bench: Bench) -> int:
    stripped = bench.log.with_name("stripped")
    subprocess.run(["strip", "-o", stripped, bench.binary], check=True, timeout=60)
    return stripped.stat().st_size


MEASURES: dict[str, Callable[[Bench], None]] = {
    "saturated": measure_saturated,
    "gro": measure_gro,
    "ordinary": measure_ordinary,
    "loss": measure_loss,
    "threads": measure_threads,
    "watched": measure_watched,
    "start": measure_start,
    "scrape": measure_scrape,
}
