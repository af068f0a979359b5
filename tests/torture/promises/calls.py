# SPDX-License-Identifier: Apache-2.0
"""System calls that fail, and a clock that jumps."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import resource
import signal
import socket
import time
from typing import Iterator

from lib.exposition import Page
from lib.harness import HOST, new_folder, wait_until
from lib.load import send_flat_out
from torture.fault import FaultyServer
from torture.promise import Trial, check, promise

MAPPING = "mappings:\n- {match: 'mapped.*', name: mapped, labels: {id: $1}}\n"
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
RECEIVED = "statsd_exporter_udp_packets_total"

# What the manual pages name, and Linux does; of read and write only on sockets and files.
FAULTS = [("recvmmsg", (errno.ENOBUFS, errno.ENOMEM, errno.EIO, errno.EINTR)),
          ("accept4", (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED, errno.EIO)),
          ("read", (errno.EIO, errno.ENOMEM, errno.ECONNRESET, errno.EINTR)),
          ("write", (errno.ENOSPC, errno.EIO, errno.EPIPE)),
          ("writev", (errno.EIO, errno.ECONNRESET)),
          ("send", (errno.ENOBUFS, errno.ENETUNREACH, errno.EMSGSIZE)),
          ("open", (errno.EMFILE, errno.EIO, errno.ENOMEM))]
MAX_CPU = 0.6       # of a core, while a call fails each time: nobody asks again and again
MAX_LOG = 1_500     # bytes a round, with two of its lines for a reload


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def try_everything(server: FaultyServer) -> None:
    """What a server is asked for beside lines by UDP; each may fail."""
    for step in (lambda: server.stream("tcp:1|c\n" * 10),
                 lambda: server.get("/metrics", timeout=0.2),
                 lambda: server.get("/-/reload", "POST", timeout=0.2)):
        with contextlib.suppress(OSError, http.client.HTTPException):
            step()


def one_fault(server: FaultyServer, call: str, error: int, every: int, seconds: float) -> int:
    """How many calls failed."""
    log_before = server.log_file.stat().st_size
    with server.failing(call, error, every) as of:
        before, n = of.n_failed, 0
        end = time.monotonic() + seconds
        while time.monotonic() < end and server.process.poll() is None:
            server.send(*[f"udp:1|c\nmapped.n{n % 50}:1|c".encode()] * 20)
            try_everything(server)
            n += 1
        cpu, begin = cpu_seconds(server.process.pid), time.monotonic()
        time.sleep(0.1)
        used = (cpu_seconds(server.process.pid) - cpu) / (time.monotonic() - begin)
        failed = of.n_failed - before
    what = f"{call} with {errno.errorcode[error]}, each {every}."
    check(server.process.poll() is None, f"{what}: the server ended\n{server.log()[-2000:]}")
    check(failed > 0 or every > 1, f"{what}: nothing asked for it")
    check(used <= MAX_CPU, f"{what}: it takes {used:.0%} of a core")
    log = server.log_file.stat().st_size - log_before
    check(log <= MAX_LOG * (n + 1), f"{what}: {log} bytes of log in {n} rounds")
    return failed


def check_whole(server: FaultyServer, before: float) -> Page:
    """Of the datagrams none is missing, and everything works."""
    page = server.settle()
    lost = server.sent_datagrams - page.get(RECEIVED) - page.total(DROPPED)
    check(lost == 0, f"{lost:g} datagrams are not accounted for")
    received = page.get(RECEIVED)
    check(page.get("udp") == page.total("mapped") == received,
          f"{received:g} datagrams gave {page.get('udp'):g} and {page.total('mapped'):g} lines")
    server.stream("again:1|c\n")
    server.eventually("a stream is taken again", lambda p: p.get("again") == before + 1)
    check(server.get("/-/reload", "POST").status == 200, "a reload fails")
    return page


@promise("calls", "a system call that fails costs what it was for, is counted or told once, "
                  "and nothing else")
def calls(trial: Trial) -> str:
    """recvmmsg, accept4, read, write, writev, send, open of the running server fail with EMFILE,
    ENOBUFS, ENOMEM, EIO, ENOSPC …, each time and each third time, under lines, streams, pages and
    reloads; CPU and log are watched"""
    n_faults = n_failed = 0
    with new_folder() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind((HOST, 0))
        flags = ["--web.enable-lifecycle", f"--statsd.listen-unixgram={folder / 'socket'}",
                 f"--statsd.relay.address={HOST}:{target.getsockname()[1]}"]
        with FaultyServer(flags, MAPPING, trial.name) as server:
            for nth, (call, errors) in enumerate(FAULTS):
                for error in errors[:trial.pick(1, 9)]:
                    # These two are followed by the same call again, rightly: so not each time.
                    for every in (3,) if error in (errno.EINTR, errno.ECONNABORTED) else (1, 3):
                        n_failed += one_fault(server, call, error, every, trial.seconds(0.05, 3))
                        n_faults += 1
                check_whole(server, nth)
    return f"{n_faults} kinds of fault, {n_failed} calls failed: every datagram accounted for"


# ---- descriptors ----

@contextlib.contextmanager
def few_descriptors(server: FaultyServer, spare: int) -> Iterator[None]:
    """No more than are open, and so many."""
    pid = server.process.pid
    was = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + spare, was[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, was)


@promise("descriptors", "without descriptors lines go on being counted, and with them all is well")
def descriptors(trial: Trial) -> str:
    """RLIMIT_NOFILE is lowered to what is open, 200 connections and a reload are tried, lines come
    by UDP and by a stream from before; then the limit returns"""
    with FaultyServer(["--web.enable-lifecycle"], MAPPING, trial.name) as server:
        time.sleep(0.2)
        before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        with server.connect() as old:
            server.eventually("the stream is there",
                              lambda p: p.get("bacowr_statsd_tcp_connections_open") == 1)
            n_rounds = trial.pick(3, 60)
            for _ in range(n_rounds):
                with few_descriptors(server, 0):
                    held = [socket.socket() for _ in range(200)]
                    for nth, connection in enumerate(held):
                        connection.setblocking(False)
                        port = server.ports.tcp if nth % 2 else server.ports.web
                        connection.connect_ex((HOST, port))
                    server.send(*[b"udp:1|c"] * 500)
                    old.sendall(b"tcp:1|c\n" * 500)
                    server.signal(signal.SIGHUP)
                    time.sleep(0.1)
                    for connection in held:
                        connection.close()
            page = server.settle(n_rounds * 1000)
        check(page.get("tcp") == n_rounds * 500, f"{page.get('tcp'):g} lines of the stream")
        check(page.get("udp") + page.total(DROPPED) == n_rounds * 500, "lines by UDP are missing")
        wait_until("descriptors are given back", lambda: len(
            os.listdir(f"/proc/{server.process.pid}/fd")) <= before + 1)
    return f"{n_rounds} times none left: {n_rounds * 1000} lines, none missing; none leaked"


# ---- clocks, and time that stands still ----

YEAR_NS = 365 * 86400 * 10**9


@promise("clock", "a real-time clock that jumps loses nothing and ages nothing")
def clock(trial: Trial) -> str:
    """The clock jumps by hours, years, back to 1970 and to and fro under lines, pages and reloads;
    series with a ttl that are fed stay, those that are not go in time"""
    mapping = "defaults: {ttl: 2s}\nmappings:\n- {match: fed, name: fed_total}\n"
    now = time.time_ns()
    jumps = [3600 * 10**9, -3600 * 10**9, 10 * YEAR_NS, -10 * YEAR_NS, 5 * 10**8, -5 * 10**8,
             1 - now, 200 * YEAR_NS, 0]
    with FaultyServer(["--web.enable-lifecycle"], mapping, trial.name) as server:
        seen, n, end = 0.0, 0, time.monotonic() + trial.seconds(2, 120)
        while time.monotonic() < end:
            server.control.clock_offset_ns = jumps[n % len(jumps)]
            server.send(b"fed:1|c\nlevel:1|g\ntook:1|ms")
            n += 1
            shown = server.settle().get("fed_total")
            check(shown == n, f"after {n} lines the page shows {shown:g}, before {seen:g}")
            seen = shown
            time.sleep(0.05)
            if n % 20 == 0:
                server.get("/-/reload", "POST")
        server.control.clock_offset_ns = 50 * YEAR_NS
        begin = time.monotonic()
        server.eventually("what is not fed goes", lambda p: p.total("fed_total") == 0)
        took = time.monotonic() - begin
        check(1.5 <= took <= 4, f"a ttl of 2 s took {took:.1f} s")
    return f"{n} jumps: {n} lines counted; a ttl of 2 s took {took:.1f} s"


@promise("stopped", "a server that stood still loses what no buffer held, and says how much")
def stopped(trial: Trial) -> str:
    """SIGSTOP and SIGCONT at random moments under a flood by UDP and a stream"""
    dice = trial.dice
    line = b"flood:1|c\n" * 50
    with FaultyServer(["--statsd.read-buffer=262144"], MAPPING, trial.name) as server:
        n_rounds, n_stream = trial.pick(6, 300), 0
        with server.connect() as stream:
            for _ in range(n_rounds):
                server.signal(signal.SIGSTOP)
                datagrams = [line] * dice.randrange(100, 3000)
                send_flat_out(server.ports.udp, datagrams)
                server.sent_datagrams += len(datagrams)
                stream.sendall(b"stream:1|c\n" * 1000)
                n_stream += 1000
                time.sleep(dice.random() / 20)
                server.signal(signal.SIGCONT)
                time.sleep(dice.random() / 10)
        page = server.settle(n_stream)
        received, dropped = page.get(RECEIVED), page.total(DROPPED)
        check(received + dropped == server.sent_datagrams,
              f"{server.sent_datagrams} sent, {received:g} received, {dropped:g} dropped")
        check(page.get("flood") == received * 50, "lines of datagrams are missing")
        check(page.get("stream") == n_stream, f"{page.get('stream'):g} of {n_stream} of a stream")
    return (f"{n_rounds} stops: {server.sent_datagrams} datagrams sent = {received:g} received + "
            f"{dropped:g} dropped")
