# SPDX-License-Identifier: Apache-2.0
"""Under a service manager: sockets that it opened, and what it is told; the protocols of systemd,
played by the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

from lib.harness import HOST, FolderTest, Ports, Server, ServerTest, binary, environment, wait_until

FIRST_FD = 3


def bound(kind: socket.SocketKind, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
    sock.bind((HOST, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def bound_unix(kind: socket.SocketKind, path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


class Activated(Server):
    """A server whose sockets are passed to it, each with its name."""

    def __init__(self, sockets: list[tuple[socket.socket, str]], flags: list[str], ports: Ports,
                 environ: dict[str, str] | None = None, name: str = "activated") -> None:
        self.sockets = sockets
        self.environ = environ or {}
        super().__init__(flags, None, name, ports)

    def passer(self) -> Callable[[], None]:
        """What a manager does between fork and exec."""
        numbers = [sock.fileno() for sock, _ in self.sockets]
        names = ":".join(name for _, name in self.sockets)

        def passing() -> None:
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(numbers)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_FD + i)
            os.environ.update({"LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": names,
                               "LISTEN_FDS": str(len(numbers))})
            os.environ.update(environment() | self.environ)

        return passing

    def _spawn(self) -> subprocess.Popen[bytes]:
        with open(self.log_file, "wb") as log:
            return subprocess.Popen([str(binary()), *self.flags], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, close_fds=False,
                                    preexec_fn=self.passer())


class SystemdTest(FolderTest, ServerTest):
    def activated(self, sockets: list[tuple[socket.socket, str]], *flags: str,
                  ports: Ports, environ: dict[str, str] | None = None) -> Server:
        server = Activated(sockets, list(flags), ports, environ, self.id())
        self.addCleanup(server.kill)
        self.addCleanup(self._stop, server)
        return server


class ActivationTest(SystemdTest):
    def test_all_kinds(self) -> None:
        """Each stands in the place of the flags of its kind, and the server removes no file."""
        ports, other = Ports(), Ports()
        gram, stream = self.folder / "gram", self.folder / "stream"
        with ExitStack() as stack:
            sockets = [(stack.enter_context(sock), name) for sock, name in (
                (bound(socket.SOCK_DGRAM, ports.udp), "bacowr-statsd.socket"),
                (bound(socket.SOCK_STREAM, ports.tcp), "bacowr-statsd.socket"),
                (bound(socket.SOCK_STREAM, ports.web), "http"),
                (bound_unix(socket.SOCK_DGRAM, gram), "bacowr-statsd.socket"),
                (bound_unix(socket.SOCK_STREAM, stream), "bacowr-statsd.socket"))]
            server = self.activated(sockets, f"--statsd.listen-udp={HOST}:{other.udp}",
                                    f"--statsd.listen-tcp={HOST}:{other.tcp}",
                                    f"--web.listen-address={HOST}:{other.web}", ports=ports)
            server.send("all:1|c")
            server.stream("all:2|c\n")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"all:4|c", str(gram))
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sender:
                sender.connect(str(stream))
                sender.sendall(len(b"all:8|c").to_bytes(4, "little") + b"all:8|c")
            self.assertEqual(server.settle(lines=4).value("all"), 15)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((HOST, other.udp))
            server.stop()
            self.assertTrue(gram.exists() and stream.exists())

    def test_what_arrives_between_two_servers_waits(self) -> None:
        """The manager holds the socket: nothing is lost, and what was too much is counted."""
        ports = Ports()
        with bound(socket.SOCK_DGRAM, ports.udp) as sock:
            first = self.activated([(sock, "udp")], ports=ports)
            first.send("wait:1|c")
            first.settle()
            first.stop()
            first.send(*["wait:1|c"] * 20)
            second = self.activated([(sock, "udp")], ports=ports)
            second.sent_datagrams = 20
            self.assertEqual(second.settle().value("wait"), 20)
            second.stop()
            first.send(*["wait:" + "1" * 8000 + "|c"] * 1500)
            third = self.activated([(sock, "udp")], ports=ports)
            third.sent_datagrams = 1500
            page = third.settle()
            dropped = page.total("bacowr_statsd_udp_kernel_dropped_datagrams_total")
            self.assertGreater(dropped, 0)
            self.assertEqual(page.value("statsd_exporter_udp_packets_total") + dropped, 1500)

    def test_threads_join_a_socket(self) -> None:
        """One socket was passed, three threads read: the others bind beside it."""
        ports = Ports()
        with bound(socket.SOCK_DGRAM, ports.udp) as sock:
            server = self.activated([(sock, "udp")], "--statsd.ingest-threads=3", ports=ports)
            self.assertIn("sockets=3", server.log())
            for i in range(30):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.bind((f"127.0.0.{i + 2}", 0))
                    sender.sendto(b"join:1|c", (HOST, ports.udp))
            server.sent_datagrams = 30
            self.assertEqual(server.settle().value("join"), 30)

    def test_what_cannot_serve_is_refused(self) -> None:
        with self.file("file", "").open() as file, bound(socket.SOCK_DGRAM, Ports().udp) as sock:
            cases = ((file, "udp", "not a socket"), (sock, "http", "named http"))
            for passed, name, said in cases:
                with self.subTest(said), self.assertRaisesRegex(Exception, said):
                    Activated([(passed, name)], [], Ports(), name=self.id())

    def test_variables_for_another_process_pass_nothing(self) -> None:
        """A parent's variables that were not meant for us: descriptor 3 is nobody's business."""
        ports = Ports()
        server = self.activated([], ports=ports, environ={"LISTEN_PID": "1", "LISTEN_FDS": "7"})
        self.assertIn(f"address={HOST}:{ports.udp} ", server.log())


class NotifyTest(SystemdTest):
    def setUp(self) -> None:
        super().setUp()
        self.manager = self.enterContext(bound_unix(socket.SOCK_DGRAM, self.folder / "notify"))
        self.manager.settimeout(10)
        self.words: list[dict[str, str]] = []

    def hear(self) -> dict[str, str]:
        text = self.manager.recv(4096).decode()
        self.words.append(dict(line.split("=", 1) for line in text.splitlines()))
        return self.words[-1]

    def serve(self, **environ: str) -> Server:
        named = {"NOTIFY_SOCKET": str(self.folder / "notify")} | environ
        return self.activated([], "--statsd.mapping-config=" + str(self.file("m.yml", "mappings: []")),
                              ports=Ports(), environ=named)

    def test_what_the_manager_is_told(self) -> None:
        server = self.serve()
        word = self.hear()
        self.assertEqual(word["READY"], "1")
        self.assertIn("1 ingest threads, 0 rules", word["STATUS"])
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.reload()
        word = self.hear()
        self.assertEqual(word["RELOADING"], "1")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertTrue(before <= int(word["MONOTONIC_USEC"]) <= after)
        self.assertEqual(self.hear()["READY"], "1")
        server.stop()
        self.assertEqual(self.hear()["STOPPING"], "1")

    def test_signs_of_life(self) -> None:
        """Two in the manager's time; none to a process that is not meant."""
        server = self.serve(WATCHDOG_USEC="400000")
        self.assertEqual(self.hear()["READY"], "1")
        begun = time.monotonic()
        for _ in range(4):
            self.assertEqual(self.hear(), {"WATCHDOG": "1"})
        self.assertLess(time.monotonic() - begun, 4 * 0.4)
        server.stop()
        server = self.serve(WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        self.manager.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while True:
                self.assertNotEqual(self.hear(), {"WATCHDOG": "1"})

    def test_nobody_listens(self) -> None:
        server = self.serve(NOTIFY_SOCKET="/nonexistent/notify")
        server.signal(signal.SIGHUP)
        wait_until("it goes on", lambda: "reload_done" in server.log())


if __name__ == "__main__":
    unittest.main()
