# SPDX-License-Identifier: Apache-2.0
"""The processes of a benchmark: receivers, the load that is sent to them, and what the kernel says.

A receiver is a process on a loopback port of its own and, where there are two processors, on one of
its own; the load and this process share another. It is driven and measured several times and then
closed, which makes up its account: whatever was sent to it was received or counted as dropped, to
the datagram, or the benchmark cannot be believed and ends.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Self, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.tables import Account  # noqa: E402
from lib.harness import HOST, end_process, free_port, wait_until  # noqa: E402

START_SECONDS = 30.0
SETTLE_SECONDS = 15.0
SETTLE_STEP = 0.02   # of which a receiver that has nothing to do ...
SETTLE_CPU_NS = 1e6  # ... does not run longer than this
HTTP_SECONDS = 60.0

JOINED = 16  # single lines in a piece for the kernel, or the sender is slower than who receives
LOSS_RATES = {"W1": 250_000, "W2": 40_000}  # datagrams a second, of which none may be lost
BIRTH_RATE = 4_000  # datagrams a second, which are some 200 000 series
INGEST = "ingest-"  # names of our threads begin so

RECEIVED = "statsd_exporter_udp_packets_total"
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"


class Unbelievable(Exception):
    """A figure of work that was not done is worth nothing."""


# ---- processors ----

def load_cpu() -> int:
    return CPUS[0]


def server_cpu() -> int:
    return CPUS[-1]


CPUS = sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def on_cpus(cpus: Sequence[int]) -> Iterator[None]:
    """This thread, and processes begun meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kernel = re.match(r"[\d.]+", platform.release())
    return (f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs, Linux "
            f"{kernel[0] if kernel else ''}")


# ---- what the kernel says ----

def schedule_of(pid: int, name: str = "") -> tuple[int, int]:
    """Nanoseconds for which the threads of a process ran, and for which they waited to: all, or
    those whose name begins with @name."""
    ran = waited = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (thread / "comm").read_text().startswith(name):
                words = (thread / "schedstat").read_text().split()
                ran, waited = ran + int(words[0]), waited + int(words[1])
    return ran, waited


def resident_bytes(pid: int) -> int:
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sockets:
    """The UDP sockets of a port."""

    n: int
    queued: int   # bytes
    dropped: int  # datagrams


def sockets_of(port: int) -> Sockets:
    n = queued = dropped = 0
    for file in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError):
            for line in Path(file).read_text().splitlines()[1:]:
                words = line.split()
                if words[1].endswith(f":{port:04X}"):
                    n += 1
                    queued += int(words[4].split(":")[1], 16)
                    dropped += int(words[-1])
    return Sockets(n, queued, dropped)


# ---- the load ----

@dataclass(frozen=True)
class Sent:
    datagrams: int
    lines: int
    seconds: float


@dataclass(frozen=True)
class Programs:
    """The folder of load and sink, and what every load is told."""

    folder: Path
    load_flags: tuple[str, ...] = ()


class Load:
    """A load under way. Arguments are those of load.c behind the port."""

    def __init__(self, programs: Programs, port: int, *arguments: object) -> None:
        command = [str(programs.folder / "load"), str(port), *map(str, arguments),
                   *programs.load_flags]
        with on_cpus([load_cpu()]):
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE)

    def wait(self) -> Sent:
        try:
            said, _ = self.process.communicate(timeout=100)
        finally:
            self.process.kill()
        if self.process.returncode != 0:
            raise Unbelievable(f"the load ended with {self.process.returncode}")
        return Sent(**json.loads(said))

    def cut_short(self) -> None:
        """End one whose figures are not wanted."""
        self.process.kill()
        self.process.communicate(timeout=10)


def lossless(name: str, seconds: float) -> tuple[object, ...]:
    """The arguments of a load of which nothing may be lost."""
    return (name, "--rate", LOSS_RATES[name], "--seconds", seconds,
            "--join", JOINED if name == "W1" else 1)


# ---- receivers ----

@dataclass(frozen=True)
class Run:
    """What a receiver did about one load."""

    sent: Sent
    dropped: int
    cpu_ns: int
    ingest_ns: int  # of that, the ingest threads; 0 for a receiver that has no such
    waited_ns: int

    @property
    def received_lines(self) -> float:
        return self.sent.lines * (1 - self.dropped / self.sent.datagrams)

    @property
    def ns_per_line(self) -> float:
        if self.received_lines == 0:
            raise Unbelievable("a receiver got nothing of what was sent")
        return self.cpu_ns / self.received_lines

    @property
    def ingest_ns_per_line(self) -> float:
        if self.ingest_ns == 0:
            raise Unbelievable("no thread is an ingest thread by its name")
        return self.ns_per_line * self.ingest_ns / self.cpu_ns

    @property
    def busy(self) -> float:
        return self.cpu_ns / 1e9 / self.sent.seconds


class Receiver:
    """Any server. What is known of it is what the kernel says."""

    who = "peer"
    talks = False  # prints its account when it ends

    def __init__(self, command: Sequence[str], programs: Programs, port: int, cpus: Sequence[int],
                 log: Path) -> None:
        self.programs, self.port, self.n_sent, self.log = programs, port, 0, log
        if sockets_of(port).n:
            raise Unbelievable(f"port {port} is taken")
        with open(log, "ab") as errors, on_cpus(cpus):
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE if self.talks else errors,
                                            stderr=errors)
        try:
            wait_until(f"{command[0]} listens on UDP port {port}", self._listens, START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *rest: object) -> None:
        self.kill()

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace")[-2000:]
            raise Unbelievable(f"{self.process.args!r} ended with {self.process.returncode}: {said}")
        return sockets_of(self.port).n > 0

    @property
    def pid(self) -> int:
        return self.process.pid

    def settle(self) -> None:
        """Wait until nothing is queued and the process rests; give up on one that never does."""
        end = time.monotonic() + SETTLE_SECONDS
        before = schedule_of(self.pid)[0]
        while time.monotonic() < end:
            time.sleep(SETTLE_STEP)
            now = schedule_of(self.pid)[0]
            if sockets_of(self.port).queued == 0 and now - before < SETTLE_CPU_NS:
                return
            before = now

    def drive(self, *arguments: object) -> Run:
        dropped = sockets_of(self.port).dropped
        ran, waited = schedule_of(self.pid)
        ingest, _ = schedule_of(self.pid, INGEST)
        sent = Load(self.programs, self.port, *arguments).wait()
        self.settle()
        after = schedule_of(self.pid)
        self.n_sent += sent.datagrams
        return Run(sent, sockets_of(self.port).dropped - dropped, after[0] - ran,
                   schedule_of(self.pid, INGEST)[0] - ingest, after[1] - waited)

    def give_birth(self, workload: str) -> None:
        """To all its series."""
        self.drive(workload, "--births", "--rate", BIRTH_RATE)

    def account(self) -> Account | None:
        """End it, in order if it listens to that."""
        with contextlib.suppress(AssertionError):
            end_process(self.process)
        return None

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()


class Sink(Receiver):
    """The floor: see sink.c."""

    who = "sink"
    talks = True

    def __init__(self, programs: Programs, cpus: Sequence[int], log: Path) -> None:
        port = free_port()
        super().__init__([str(programs.folder / "sink"), str(port)], programs, port, cpus, log)

    def account(self) -> Account:
        dropped = sockets_of(self.port).dropped
        end_process(self.process)
        assert self.process.stdout is not None
        return Account(self.who, self.n_sent, json.loads(self.process.stdout.read())["datagrams"],
                       dropped)


class Web(Receiver):
    """A server with a page for Prometheus."""

    web = 0  # the page's port

    def get(self, path: str = "/metrics", **headers: str) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.web, timeout=HTTP_SECONDS)
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "identity"} | headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Unbelievable(f"{path} answered {answer.status}")
            return body
        finally:
            connection.close()


def sum_of(page: bytes, name: str) -> int:
    """Of all series of a family."""
    total, at = 0.0, 0
    while (at := page.find(b"\n" + name.encode(), at) + 1) > 0:
        series, _, value = page[at:page.index(b"\n", at)].rpartition(b" ")
        if series.partition(b"{")[0] == name.encode():
            total += float(value)
    return int(total)


class Ours(Web):
    """The server under test."""

    who = "ours"

    def __init__(self, binary: Path, programs: Programs, cpus: Sequence[int], log: Path, mapping: Path,
                 flags: Sequence[str] = ()) -> None:
        port, self.web = free_port(), free_port()
        command = ours_command(binary, port, self.web, mapping) + list(flags)
        super().__init__(command, programs, port, cpus, log)
        wait_until("the server is ready", self._ready, START_SECONDS)

    def _ready(self) -> bool:
        with contextlib.suppress(OSError, Unbelievable):
            return bool(self.get("/-/ready"))
        return False

    def account(self) -> Account:
        self.settle()
        page, dropped = self.get(), sockets_of(self.port).dropped
        if sum_of(page, DROPPED) != dropped:
            raise Unbelievable(f"the server counts {sum_of(page, DROPPED)} dropped datagrams, "
                               f"the kernel {dropped}")
        account = Account(self.who, self.n_sent, sum_of(page, RECEIVED), dropped)
        end_process(self.process)
        return account


class Joined(Ours):
    """Ours with --statsd.udp-gro. The kernel counts groups that it drops, so what was lost is what
    was not received; there are between one and @most datagrams in each group."""

    who = "ours, joined"

    def __init__(self, most: int, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, flags=["--statsd.udp-gro"])
        self.most = most

    def drive(self, *arguments: object) -> Run:
        before = sum_of(self.get(), RECEIVED)
        run = super().drive(*arguments)
        return replace(run, dropped=run.sent.datagrams - (sum_of(self.get(), RECEIVED) - before))

    def account(self) -> Account:
        by_groups = super().account()
        lost = by_groups.sent - by_groups.received
        if not by_groups.dropped <= lost <= self.most * by_groups.dropped:
            raise Unbelievable(f"{lost} datagrams are none of {by_groups.dropped} groups")
        return replace(by_groups, dropped=lost)


def ours_command(binary: Path, port: int, web: int, mapping: Path) -> list[str]:
    return [str(binary), f"--statsd.listen-udp={HOST}:{port}", "--statsd.listen-tcp=",
            f"--web.listen-address={HOST}:{web}", f"--statsd.mapping-config={mapping}"]


class Peer(Web):
    """Another server, by its command with {port} and perhaps {web}."""

    def __init__(self, command: str, programs: Programs, cpus: Sequence[int], log: Path) -> None:
        port, self.web = free_port(), free_port()
        words = [word.replace("{port}", str(port)).replace("{web}", str(self.web))
                 for word in shlex.split(command)]
        super().__init__(words, programs, port, cpus, log)
