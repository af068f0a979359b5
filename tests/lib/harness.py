# SPDX-License-Identifier: Apache-2.0
"""Runs the real bacowr-statsd for a test and talks to it as its users do.

A Server is one process on loopback ports of its own. It is started, waited for through /-/ready,
sent to by UDP and TCP, scraped through HTTP, and ended by SIGTERM; its exit status must then be 0
and its log free of sanitizer reports, so every test is a test of the orderly end too.

The environment chooses what is tested: BACOWR_STATSD names the binary (build/bacowr-statsd if
unset), BACOWR_TEST_LOGS the folder for logs (build/test-logs).
"""

from __future__ import annotations

import base64
import http.client
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, Sequence, TypeVar

from lib.exposition import Page

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
HOST = "127.0.0.1"
START_SECONDS = 20.0
STOP_SECONDS = 20.0
WAIT_SECONDS = 20.0
# First ports of blocks, all below the range the kernel gives to outgoing sockets.
PORTS = range(15000, 32000, 50)
MAX_BLOCKS = 20  # of a process, which then deals its own again, the oldest first
FOLDER_PREFIX = "bacowr-test-"
SANITIZER_STATUS = 99  # of a process with a finding

_SANITIZER = re.compile(r"^.*(?:Sanitizer|runtime error:).*$", re.MULTILINE)
_blocks: dict[int, socket.socket] = {}  # those that are ours by their first ports, with their marks
_ports: list[int] = []  # of these, what was not handed out yet, or is once more
_ports_lock = threading.Lock()

T = TypeVar("T")


def binary() -> Path:
    path = Path(os.environ.get("BACOWR_STATSD", ROOT / "build" / "bacowr-statsd"))
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built")
    return path.resolve()


def log_folder() -> Path:
    folder = Path(os.environ.get("BACOWR_TEST_LOGS", ROOT / "build" / "test-logs")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment() -> dict[str, str]:
    """The tests' own environment, with sanitizers that end the process on a finding."""
    return os.environ | {
        "ASAN_OPTIONS": f"detect_leaks=1:exitcode={SANITIZER_STATUS}",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "exitcode=66",
    }


def free_port() -> int:
    """A loopback port nobody uses, which no other call gets, in this process or another one.

    To ask the kernel is not enough: between the answer and the use by a server somebody else may
    ask too. So ports are dealt in blocks, and a process keeps each that it took until its end; one
    that starts thousands of servers deals a port again long after it was dealt last.
    """
    with _ports_lock:
        for _ in range(2 * MAX_BLOCKS * PORTS.step):
            if not _ports and len(_blocks) < MAX_BLOCKS:
                _ports.extend(reversed(_take_block()))
            elif not _ports:
                _ports.extend(port for first in reversed(_blocks)
                              for port in reversed(range(first, first + PORTS.step)))
            port = _ports.pop()
            if _can_bind(port):
                return port
    raise RuntimeError("no free port")


def _take_block() -> range:
    """A block of ports that is nobody's. It is ours while a socket lives, whose name says so; the
    names are abstract: they go with the process, and each network namespace has its own."""
    for first in random.sample(PORTS, len(PORTS)):
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0bacowr-test-ports-{first}")
        except OSError:
            mark.close()
            continue
        _blocks[first] = mark
        return range(first, first + PORTS.step)
    raise RuntimeError("no free port")


def _can_bind(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def to_bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def run(*arguments: str | Path, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run the binary to its end; its output is text."""
    return subprocess.run([str(binary()), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, env=environment())


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that nobody else uses; it goes with all that is in it."""
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        yield Path(folder)


def wait_until(what: str, check: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """The first true answer of check(); an AssertionError that names @what when there is none."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def end_process(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> int:
    """End a process of ours in order, by force when it does not listen; its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)
        raise AssertionError(f"process {process.args!r} ignored SIGTERM") from None


class StartError(Exception):
    """The server ended before it was ready."""


@dataclass
class Ports:
    udp: int = field(default_factory=free_port)
    tcp: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)


def flag_name(flag: str) -> str:
    """The setting that a flag is about: --no-a.b and --a.b=v are both a.b."""
    name = flag.removeprefix("--").split("=", 1)[0]
    return name.removeprefix("no-")


def serve_flags(ports: Ports, given: Sequence[str], mapping_file: Path | None = None) -> list[str]:
    """Flags that keep a server on its own ports; those @given replace the ones of the same name."""
    own = [f"--statsd.listen-udp={HOST}:{ports.udp}",
           f"--statsd.listen-tcp={HOST}:{ports.tcp}",
           f"--web.listen-address={HOST}:{ports.web}"]
    if mapping_file:
        own.append(f"--statsd.mapping-config={mapping_file}")
    names = {flag_name(flag) for flag in given}
    return [flag for flag in own if flag_name(flag) not in names] + list(given)


@dataclass
class Response:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Server:
    """One running server. Flags of a test replace the harness's flags of the same name."""

    runner: tuple[str, ...] = ()  # what starts the binary, if not we

    def __init__(self, flags: Sequence[str] = (), mapping: bytes | str | None = None,
                 name: str = "server", ports: Ports | None = None,
                 tls: ssl.SSLContext | None = None, login: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        self.mapping_file = self.folder / "mapping.yml"
        self.log_file = log_folder() / f"{name}.log"
        self.ports = ports or Ports()
        self.tls = tls  # how its web interface is asked; @login is USER:PASSWORD
        self.login = login
        self.sent_datagrams = 0
        self._udp: socket.socket | None = None
        if mapping is not None:
            self.write_mapping(mapping)
        file = None if mapping is None else self.mapping_file
        self.flags = serve_flags(self.ports, flags, file)
        try:
            self.process = self._spawn()
            self._wait_ready()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    # ---- the process ----

    def _spawn(self) -> subprocess.Popen[bytes]:
        with open(self.log_file, "wb") as log:
            return subprocess.Popen([*self.runner, str(binary()), *self.flags], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=environment())

    def _wait_ready(self) -> None:
        def answered() -> bool:
            if self.process.poll() is not None:
                raise StartError(f"status {self.process.returncode}: {self.log()}")
            try:
                return self.get("/-/ready").status == 200
            except (OSError, http.client.HTTPException):
                return False

        wait_until("the server is ready", answered, START_SECONDS)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def reload(self) -> None:
        """SIGHUP, and wait until the reload is counted."""
        def outcomes() -> float:
            return self.scrape().total("statsd_exporter_config_reloads_total")

        before = outcomes()
        self.signal(signal.SIGHUP)
        wait_until("the reload is counted", lambda: outcomes() > before)

    def replace(self, *flags: str) -> None:
        """The next server in the place of this one's process, which ends in order."""
        old, offset = self.process, self.log_file.stat().st_size
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([str(binary()), "--replace", *self.flags, *flags],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment())
        assert old.wait(60) == 0, self.log()[-2000:]

        def said() -> str:
            return self.log_file.read_bytes()[offset:].decode(errors="replace")

        wait_until("the next one is ready", lambda: "event=ready" in said())
        assert "event=handed_over" in said() and "event=taken_over" in said(), said()

    def write_mapping(self, text: bytes | str) -> None:
        """In one step, as an editor does: a reload sees the old file or the new one."""
        new = self.mapping_file.with_suffix(".new")
        new.write_bytes(to_bytes(text))
        new.rename(self.mapping_file)

    def stop(self) -> None:
        """End it in order and hold it to a clean end."""
        try:
            status = end_process(self.process)
        finally:
            self.kill()
        self.check_end(status)

    def check_end(self, status: int) -> None:
        report = _SANITIZER.search(self.log())
        assert not report, f"{report.group()} (see {self.log_file})"
        assert status == 0, f"exit status {status} (see {self.log_file}):\n{self.log()[-2000:]}"

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        if getattr(self, "process", None) and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        if self._udp:
            self._udp.close()
            self._udp = None
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the wire in ----

    def send(self, *datagrams: bytes | str) -> None:
        """Each argument is one UDP datagram."""
        if self._udp is None:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.connect((HOST, self.ports.udp))
        for datagram in datagrams:
            self._udp.send(to_bytes(datagram))
            self.sent_datagrams += 1

    def connect(self) -> socket.socket:
        """A TCP connection to the StatsD port."""
        connection = socket.create_connection((HOST, self.ports.tcp), timeout=WAIT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def stream(self, *writes: bytes | str) -> None:
        """One TCP connection, each argument one write, then closed."""
        with self.connect() as connection:
            for data in writes:
                connection.sendall(to_bytes(data))

    # ---- the wire out ----

    def get(self, path: str, method: str = "GET", headers: dict[str, str] | None = None,
            timeout: float = WAIT_SECONDS, body: bytes | None = None,
            whole: bool = True) -> Response:
        """@whole: false where the answer may have no end, as a tap's; its body is left out."""
        connection = (http.client.HTTPSConnection(HOST, self.ports.web, timeout=timeout,
                                                  context=self.tls) if self.tls
                      else http.client.HTTPConnection(HOST, self.ports.web, timeout=timeout))
        known = {"Authorization": basic(self.login)} if self.login else {}
        try:
            connection.request(method, path, body=body, headers=known | (headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, fields, answer.read() if whole else b"")
        finally:
            connection.close()

    def web(self) -> socket.socket:
        """A bare connection to the HTTP port."""
        connection = socket.create_connection((HOST, self.ports.web), timeout=WAIT_SECONDS)
        return self.tls.wrap_socket(connection, server_hostname=HOST) if self.tls else connection

    def raw(self, request: bytes, close: bool = False) -> bytes:
        """Send bytes to the HTTP port; everything that comes back until the server closes."""
        with self.web() as connection:
            connection.sendall(request)
            if close:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def scrape(self, path: str = "/metrics") -> Page:
        if self.process.poll() is not None:
            raise AssertionError(f"the server is gone, status {self.process.returncode}:\n"
                                 f"{self.log()[-2000:]}")
        answer = self.get(path)
        assert answer.status == 200, f"scrape answered {answer.status}: {answer.body[:300]!r}"
        return Page(answer.body.decode("utf-8"))

    def settle(self, lines: int | None = None) -> Page:
        """The page once all datagrams (and, for streams, @lines in all) have been worked off."""
        def worked_off(page: Page) -> bool:
            received = page.get("statsd_exporter_udp_packets_total")
            dropped = page.total("bacowr_statsd_udp_kernel_dropped_datagrams_total")
            fed = page.get("bacowr_statsd_datagrams_total")  # counted when a batch is done
            return (received + dropped >= self.sent_datagrams and fed >= received
                    and page.get("statsd_exporter_lines_total") >= (lines or 0))

        last: list[Page] = [self.scrape()]

        def unchanged() -> bool:
            before, last[0] = last[0], self.scrape()
            return worked_off(before) and before.traffic() == last[0].traffic()

        wait_until("what was sent is worked off", unchanged)
        return last[0]

    def eventually(self, what: str, check: Callable[[Page], bool],
                   seconds: float = WAIT_SECONDS) -> Page:
        """The first page for which check() holds."""
        def look() -> Page | None:
            page = self.scrape()
            return page if check(page) else None

        return wait_until(what, look, seconds)


def basic(login: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(login.encode()).decode()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side ends, orderly or by a reset; it may be long, not endless."""
    data = b""
    end = time.monotonic() + 3 * WAIT_SECONDS
    while time.monotonic() < end:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece
    raise TimeoutError(f"no end after {len(data)} bytes")


class FolderTest(unittest.TestCase):
    """A test case with a folder of its own, and files in it."""

    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


class ServerTest(unittest.TestCase):
    """A test case with servers that are stopped, and checked, when the test ends."""

    def start(self, *flags: str, mapping: bytes | str | None = None, ports: Ports | None = None,
              tls: ssl.SSLContext | None = None, login: str | None = None) -> Server:
        server = Server(flags, mapping, self.id(), ports, tls, login)
        self.addCleanup(server.kill)
        self.addCleanup(self._stop, server)
        return server

    @staticmethod
    def _stop(server: Server) -> None:
        if server.process.poll() is None:
            server.stop()
        else:
            server.check_end(server.process.returncode)
