# SPDX-License-Identifier: Apache-2.0
"""From one server to the next: nothing is lost, no counter falls; and if the next one fails, at
whatever step, the first goes on."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from lib.exposition import Page
from lib.harness import (HOST, FolderTest, Server, ServerTest, binary, environment, read_all, wait_until)
from lib.load import send_group

HEAD = struct.Struct("=IIQII")
MAGIC, VERSION = 0x4f484342, 1
HELLO, REFUSE, SOCKETS, OFFER, PREPARED, CONNS, PARCEL, MERGED, COMMIT, RUNNING = range(10)
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
RECEIVED = "statsd_exporter_udp_packets_total"
MAPPING = """
mappings:
- match: t.*
  name: t
  labels: {of: $1}
  observer_type: histogram
  histogram_options: {buckets: [0.1, 1]}
"""


class Successor:
    """One that speaks as the next server does, as far as a test wants it to."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.fds: list[int] = []

    def say(self, kind: int, number: int = VERSION, text: bytes = b"", magic: int = MAGIC) -> None:
        self.socket.send(HEAD.pack(magic, kind, number, 0, len(text)) + text)

    def hear(self) -> tuple[int, bytes]:
        data, fds, _, _ = socket.recv_fds(self.socket, 4096, 64)
        self.fds.extend(fds)
        if not data:
            raise EOFError
        return HEAD.unpack_from(data)[1], data[HEAD.size:]

    def until(self, kind: int) -> bytes:
        while True:
            heard, text = self.hear()
            if heard == kind:
                return text
            assert heard != REFUSE, text

    def go_to(self, step: int) -> None:
        """Up to and with the answer to what is said in this step."""
        for say, answer in ((HELLO, OFFER), (PREPARED, PARCEL), (MERGED, COMMIT))[:step]:
            self.say(say)
            self.until(answer)

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()
        self.socket.close()


class HandoverTest(FolderTest, ServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "control"

    def serve(self, *flags: str, mapping: str | None = MAPPING, name: str = "") -> Server:
        server = Server([f"--control.socket={self.path}", *flags], mapping, self.id() + name)
        self.addCleanup(server.kill)
        self.addCleanup(self._stop, server)
        return server

    @contextmanager
    def watched(self, server: Server) -> Iterator[list[Page]]:
        """Scrapes all the time, as a Prometheus that keeps its connection, and sees none fall."""
        pages: list[Page] = []
        faults: list[str] = []
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                try:
                    pages.append(Page(server.get("/metrics").body.decode()))
                except OSError as fault:
                    faults.append(repr(fault))
                time.sleep(0.005)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield pages
        finally:
            over.set()
            thread.join()
        self.assertEqual(faults, [])
        seen: dict[str, float] = {}
        for page in pages:
            for name, family in page.families.items():
                if family.type not in ("counter", "histogram"):
                    continue
                for key, value in family.samples.items():
                    self.assertGreaterEqual(value, seen.get(str(key), 0), f"{key} fell")
                    seen[str(key)] = value


class TakeOverTest(HandoverTest):
    def test_nothing_is_lost_and_nothing_falls(self) -> None:
        """Three times, under lines of UDP and of TCP, which are cut anywhere."""
        server = self.serve("--statsd.ingest-threads=2")
        sent = {"udp": 0, "tcp": 0}
        over = threading.Event()

        def send_udp() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect((HOST, server.ports.udp))
                while not over.is_set():
                    for _ in range(20):
                        sender.send(b"udp:1|c\nt.u:0.5|h")
                        sent["udp"] += 1
                    time.sleep(0.001)

        def send_tcp() -> None:
            with server.connect() as connection:
                while not over.is_set():
                    for piece in (b"tc", b"p:1|c\ntcp:", b"1|c", b"\nt.t:0.5", b"|h\n"):
                        connection.sendall(piece)
                        time.sleep(0.0005)
                    sent["tcp"] += 2

        senders = [threading.Thread(target=send) for send in (send_udp, send_tcp)]
        with self.watched(server) as pages:
            for sender in senders:
                sender.start()
            for _ in range(3):
                time.sleep(0.2)
                server.replace()
            over.set()
            for sender in senders:
                sender.join()
            server.sent_datagrams = sent["udp"]
            page = server.settle(lines=0)
            page = server.eventually("all of TCP", lambda page: page.get("tcp") == sent["tcp"])
        self.assertGreater(len(pages), 20)
        self.assertEqual(page.value(RECEIVED) + page.total(DROPPED), sent["udp"])
        self.assertEqual(page.value("udp"), page.value(RECEIVED))
        self.assertEqual(page.value("t_count", of="u"), page.value(RECEIVED))
        self.assertEqual(page.value("t_count", of="t"), sent["tcp"] / 2)
        self.assertEqual(page.value("statsd_exporter_tcp_connections_total"), 1)
        self.assertEqual(page.value("bacowr_statsd_handovers_total", outcome="success"), 3)
        self.assertEqual(page.value("bacowr_statsd_handovers_total", outcome="failure"), 0)

    def test_times_of_creation_stay(self) -> None:
        server = self.serve("--web.enable-openmetrics")
        server.send("made_total:1|c", "g:7|g", "t.a:0.5|h", "s:a|s", "s:b|s")
        server.settle()

        def created() -> list[str]:
            answer = server.get("/metrics", headers={"Accept": "application/openmetrics-text"})
            return [line for line in answer.body.decode().splitlines()
                    if "_created" in line and not line.startswith("#")]

        before = created()
        self.assertEqual(len([line for line in before if "made" in line]), 1)
        server.replace()
        self.assertEqual(created(), before)
        page = server.scrape()
        self.assertEqual((page.value("g"), page.value("s"), page.value("made_total")), (7, 2, 1))

    def test_unix_sockets_and_their_files(self) -> None:
        gram, stream = self.folder / "gram", self.folder / "stream"
        server = self.serve(f"--statsd.listen-unixgram={gram}", f"--statsd.listen-unix={stream}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as frames, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            frames.connect(str(stream))
            data = len(b"frame:1|c").to_bytes(4, "little") + b"frame:1|c"
            for cut in (2, 4, 7):
                frames.sendall(data + data[:cut])
                server.eventually("connected", lambda page: page.get("frame") >= 1)
                time.sleep(0.05)
                server.replace()
                frames.sendall(data[cut:])
                sender.sendto(b"gram:1|c", str(gram))
            server.eventually("all frames", lambda page: page.get("frame") == 6)
            server.eventually("all datagrams", lambda page: page.get("gram") == 3)
        self.assertTrue(gram.exists() and stream.exists() and self.path.exists())
        server.stop()
        self.assertFalse(gram.exists() or stream.exists() or self.path.exists())

    def test_other_flags(self) -> None:
        """More threads, an address more, one less; what is the same goes on."""
        server = self.serve()
        server.send(*["a.b:1|c"] * 10)
        server.settle()
        extra = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        extra.bind((HOST, 0))
        port = extra.getsockname()[1]
        extra.close()
        server.replace(f"--statsd.listen-udp={HOST}:{port}", "--statsd.ingest-threads=3")
        self.assertIn("sockets=3", server.log())
        for i in range(30):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((f"127.0.0.{i + 2}", 0))
                sender.sendto(b"a.b:1|c", (HOST, server.ports.udp if i % 2 else port))
        server.sent_datagrams += 30
        self.assertEqual(server.settle().value("a_b"), 40)

    def test_a_page_under_way_is_finished(self) -> None:
        server = self.serve()
        for i in range(60):
            server.send(*[f"many.{i}.{k}.{'x' * 100}:1|c" for k in range(100)])
        server.settle()
        with server.web() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = slow.recv(100)
            old = server.process
            thread = threading.Thread(target=server.replace)
            thread.start()
            wait_until("handed over", lambda: "event=handed_over" in server.log())
            self.assertIsNone(old.poll())
            while piece := slow.recv(65536):
                text += piece
            thread.join()
        self.assertTrue(text.endswith(b"0\r\n\r\n"))
        self.assertEqual(text.count(b"\nmany_"), 6000)

    def test_who_asks_meanwhile_is_answered(self) -> None:
        """A request that came to the old server while nobody read, and one whose connection it had
        accepted just before; who is silent between two requests is let go, commands are refused."""
        server = self.serve("--web.enable-lifecycle")
        server.send("lines:1|c")
        server.settle()
        page = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with server.web() as asked, server.web() as fresh, server.web() as late, \
                server.web() as probe, server.web() as kept:
            kept.sendall(page.replace(b"/metrics", b"/-/healthy"))
            self.assertIn(b" 200 OK", kept.recv(4096))
            server.eventually("they are accepted", lambda page: page.get(
                "bacowr_statsd_http_connections_open") >= 5)
            successor = Successor(self.path)
            successor.go_to(2)
            asked.sendall(page)
            successor.say(MERGED)
            successor.until(COMMIT)
            successor.say(RUNNING)
            self.assertEqual(kept.recv(4096), b"")
            for connection in (asked, fresh):
                if connection is fresh:
                    connection.sendall(page)
                text = read_all(connection)
                self.assertTrue(text.startswith(b"HTTP/1.1 200 "), text[:200])
                self.assertIn(b"\nlines 1\n", text)
            probe.sendall(page.replace(b"/metrics", b"/-/ready"))
            self.assertIn(b"HTTP/1.1 200 ", read_all(probe)[:20])  # the one that listens is
            late.sendall(page.replace(b"GET /metrics", b"POST /-/reload"))
            self.assertIn(b"HTTP/1.1 503 ", read_all(late)[:20])
        self.assertEqual(server.process.wait(20), 0, server.log())
        successor.close()

    def test_what_the_kernel_dropped_is_counted_once(self) -> None:
        """Before the hand-over, while nobody reads, and after it."""
        server = self.serve("--statsd.read-buffer=65536")
        for _ in range(3):
            server.signal(signal.SIGSTOP)
            server.send(*["lost:" + "1" * 1000 + "|c"] * 500)
            server.signal(signal.SIGCONT)
            server.replace()
        page = server.settle()
        self.assertGreater(page.total(DROPPED), 0)
        self.assertEqual(page.value(RECEIVED) + page.total(DROPPED), 1500)

    def test_groups_come_apart_on_either_side(self) -> None:
        """Neither reads groups that it does not expect: the flag is for who reads."""
        server = self.serve()
        over, n_sent = threading.Event(), 0

        def send() -> None:
            nonlocal n_sent
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect((HOST, server.ports.udp))
                while not over.is_set():
                    n_sent += send_group(s, 7, b"abc:1|c" * 20)
                    time.sleep(0.0005)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            for flags in (["--statsd.udp-gro"], [], ["--statsd.udp-gro"]):
                server.replace(*flags)
        finally:
            over.set()
            thread.join()
        server.sent_datagrams = n_sent
        page = server.settle()
        self.assertEqual((page.value("abc"), page.value(RECEIVED)), (n_sent, n_sent))
        self.assertEqual((page.total(DROPPED), page.refused()), (0, {}))
        self.assertLess(page.total("bacowr_statsd_udp_received_groups_total"), n_sent)
        self.assertEqual(server.log().count("event=udp_gro_kept"), 1)

    def test_a_state_file(self) -> None:
        """It is the successor's: neither read at the hand-over nor written by who leaves."""
        file = self.folder / "state"
        server = self.serve(f"--state.file={file}")
        server.send("kept:5|c", "g:3|g", "s:a|s")
        server.settle()
        server.replace()
        self.assertFalse(file.exists())
        server.send("kept:1|c")
        self.assertEqual(server.settle().value("kept"), 6)
        server.stop()
        self.assertTrue(file.exists())
        again = self.serve(f"--state.file={file}", name="again")
        page = again.scrape()
        self.assertEqual((page.value("kept"), page.value("g"), page.value("s")), (6, 3, 1))

    def test_nobody_is_there(self) -> None:
        server = self.serve("--replace")
        self.assertIn("event=nothing_to_replace", server.log())
        server.send("a:1|c")
        server.settle()


class FailureTest(HandoverTest):
    def goes_on(self, server: Server, stage: str, reason: str) -> None:
        """As if nothing was, but for a word in the log and a count."""
        wait_until("the failure is told", lambda: f"stage={stage}" in server.log())
        self.assertRegex(server.log(), f'event=handover_failed stage={stage} reason="?{reason}')
        before = server.scrape().get("lines")
        server.send("lines:1|c")
        self.line.sendall(b"1|c\nlines:")
        self.assertEqual(
            server.eventually("it goes on", lambda page: page.get("lines") == before + 2)
            .value("bacowr_statsd_handovers_total", outcome="failure"), 1)

    def begin(self, *flags: str) -> Server:
        server = self.serve(*flags)
        self.line = server.connect()
        self.addCleanup(self.line.close)
        self.line.sendall(b"lines:1|c\nlines:")
        server.send("lines:1|c")
        server.settle(lines=2)
        return server

    def test_it_dies_at_each_step(self) -> None:
        for step, stage in enumerate(("offered", "held", "committed"), 1):
            with self.subTest(stage):
                server = self.begin()
                successor = Successor(self.path)
                successor.go_to(step)
                successor.close()
                self.goes_on(server, stage, "the successor closed the connection")
                server.stop()

    def test_it_says_nothing_at_each_step(self) -> None:
        for step, stage in ((1, "offered"), (2, "held")):
            with self.subTest(stage):
                server = self.begin("--control.timeout=1s")
                successor = Successor(self.path)
                successor.go_to(step)
                self.goes_on(server, stage, "the successor does not respond")
                successor.close()
                server.stop()

    def test_it_hangs_after_the_commit(self) -> None:
        """It may be reading: so it is ended before the first goes on."""
        server = self.begin("--control.timeout=1s")
        pid = os.fork()
        if pid == 0:
            successor = Successor(self.path)
            successor.go_to(3)
            signal.pause()
        self.goes_on(server, "committed", "the successor does not respond")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)

    def test_it_refuses(self) -> None:
        server = self.begin()
        successor = Successor(self.path)
        successor.go_to(2)
        successor.say(REFUSE, text=b"no room")
        self.goes_on(server, "held", "no room")
        successor.close()

    def test_it_talks_nonsense(self) -> None:
        cases: tuple[Callable[[Successor], object], ...] = (
            lambda successor: successor.say(MERGED),
            lambda successor: successor.say(77),
            lambda successor: successor.say(PREPARED, magic=1),
            lambda successor: successor.socket.send(b"x"))
        for case in cases:
            with self.subTest(case):
                server = self.begin()
                successor = Successor(self.path)
                successor.go_to(1)
                case(successor)
                self.goes_on(server, "offered", "")
                successor.close()
                server.stop()

    def test_another_version(self) -> None:
        server = self.begin()
        successor = Successor(self.path)
        successor.say(HELLO, number=99)
        kind, text = successor.hear()
        self.assertEqual(kind, REFUSE)
        self.assertIn(b"incompatible", text)
        successor.close()
        self.goes_on(server, "offered", "the two versions")

    def test_two_at_once(self) -> None:
        server = self.begin()
        first = Successor(self.path)
        first.go_to(1)
        second = Successor(self.path)
        self.assertIn(b"under way", second.hear()[1])
        second.close()
        first.close()
        self.goes_on(server, "offered", "the successor closed the connection")

    def failing(self, server: Server, *flags: str) -> str:
        """A real next server that fails; what it says."""
        done = subprocess.run([str(binary()), "--replace", *server.flags, *flags], timeout=30,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=environment())
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done.stderr

    def test_its_mapping_is_wrong(self) -> None:
        """It does not even ask."""
        server = self.begin()
        server.write_mapping("mappings: [{match: *.x}]")
        self.assertIn("start_failed", self.failing(server))
        self.assertNotIn("handover_failed", server.log())
        self.assertTrue(self.path.exists())

    def test_its_address_is_taken(self) -> None:
        """All after the offer that can fail for an operator's mistake; no file is removed."""
        gram = self.folder / "gram"
        server = self.begin(f"--statsd.listen-unixgram={gram}")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind((HOST, 0))
            taken.listen()
            said = self.failing(server,
                                f"--web.listen-address={HOST}:{taken.getsockname()[1]}")
        self.assertIn("address already in use", said)
        self.goes_on(server, "offered", "the successor closed the connection")
        self.assertTrue(gram.exists() and self.path.exists())
        server.replace()

    def test_it_is_killed_at_some_moment(self) -> None:
        """A real one: then the first goes on, or it was the server already."""
        server = self.begin()
        for delay in (0.01, 0.03, 0.06, 0.1):
            process = subprocess.Popen([str(binary()), "--replace", *server.flags],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=environment())
            time.sleep(delay)
            process.kill()
            process.wait()
            if "handed_over" in server.log():
                server.check_end(server.process.wait(20))  # SIGTERM could come when it ends
                return
            server.send("lines:1|c")
            server.settle()

    def test_the_end_while_it_is_held(self) -> None:
        """SIGTERM to the first one: it takes its sockets back, drains them and ends."""
        server = self.begin()
        successor = Successor(self.path)
        successor.go_to(2)
        server.send(*["lines:1|c"] * 5)
        server.signal(signal.SIGTERM)
        server.check_end(server.process.wait(20))
        self.assertIn("udp_datagrams=6", server.log())
        successor.close()

    def test_it_needs_the_socket(self) -> None:
        done = subprocess.run([str(binary()), "--replace"], capture_output=True, text=True,
                              env=environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("--control.socket", done.stderr)


if __name__ == "__main__":
    unittest.main()
