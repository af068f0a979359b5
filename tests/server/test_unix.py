# SPDX-License-Identifier: Apache-2.0
"""Unix sockets: datagrams and frames, the files they live in, and who may take whose place."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import unittest
from pathlib import Path

from lib.harness import (Ports, Server, ServerTest, new_folder, run, serve_flags, to_bytes,
                         wait_until)

FRAME_ERRORS = "bacowr_statsd_unix_frame_errors_total"


def connected(kind: socket.SocketKind, address: str | Path) -> socket.socket:
    """An address that begins with @ is an abstract name."""
    text = os.fspath(address)
    sender = socket.socket(socket.AF_UNIX, kind)
    sender.settimeout(20)
    sender.connect("\0" + text[1:] if text.startswith("@") else text)
    return sender


def frame(payload: bytes | str) -> bytes:
    data = to_bytes(payload)
    return struct.pack("<I", len(data)) + data


class UnixTest(ServerTest):
    def setUp(self) -> None:
        self.path = self.enterContext(new_folder()) / "statsd.sock"

    def serve(self, flag: str, *flags: str) -> Server:
        return self.start(f"--statsd.{flag}={self.path}", *flags)

    def refused(self, flag: str) -> str:
        done = run(*serve_flags(Ports(), [f"--statsd.{flag}={self.path}"]))
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr


class FileTest(UnixTest):
    """The same rules for both kinds."""

    KINDS = (("listen-unixgram", socket.SOCK_DGRAM), ("listen-unix", socket.SOCK_STREAM))

    def mode(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    def test_mode_and_removal_on_exit(self) -> None:
        for flag, _ in self.KINDS:
            for mode, wanted in ((None, 0o755), ("777", 0o777), ("0600", 0o600)):
                with self.subTest(flag=flag, mode=mode):
                    given = [] if mode is None else [f"--statsd.unixsocket-mode={mode}"]
                    server = self.serve(flag, *given)
                    self.assertTrue(stat.S_ISSOCK(self.path.stat().st_mode))
                    self.assertEqual(self.mode(), wanted)
                    server.stop()
                    self.assertFalse(self.path.exists())

    def test_a_mode_that_is_none_is_a_warning(self) -> None:
        server = self.serve("listen-unixgram", "--statsd.unixsocket-mode=rwx")
        self.assertIn("unixsocket_mode_ignored", server.log())
        self.assertTrue(self.path.exists())

    def test_a_stale_socket_gives_way(self) -> None:
        for flag, kind in self.KINDS:
            with self.subTest(flag=flag):
                server = self.serve(flag)
                server.check_end = lambda status: None  # type: ignore[method-assign]
                server.process.kill()
                server.process.wait()
                self.assertTrue(self.path.exists())
                second = self.serve(flag)
                connected(kind, self.path).close()
                second.stop()

    def test_a_live_socket_stays(self) -> None:
        for flag, kind in self.KINDS:
            with self.subTest(flag=flag):
                server = self.serve(flag)
                for other, _ in self.KINDS:
                    text = self.refused(other)
                    self.assertIn("address in use", text)
                    self.assertIn(str(self.path), text)
                connected(kind, self.path).close()
                server.stop()

    def test_another_file_stays(self) -> None:
        self.path.write_text("precious")
        for flag, _ in self.KINDS:
            self.assertIn("not a socket", self.refused(flag))
        self.assertEqual(self.path.read_text(), "precious")

    def test_a_folder_that_is_not_there(self) -> None:
        self.path = self.path.parent / "missing" / "statsd.sock"
        self.assertIn("No such file", self.refused("listen-unixgram"))

    def test_a_path_that_is_too_long(self) -> None:
        self.path = self.path.parent / ("x" * 108)
        self.assertIn("too long", self.refused("listen-unix"))

    def test_only_its_own_file_is_removed(self) -> None:
        server = self.serve("listen-unixgram")
        self.path.unlink()
        self.path.write_text("another's")
        server.stop()
        self.assertEqual(self.path.read_text(), "another's")

    def test_abstract_names(self) -> None:
        for flag, kind in self.KINDS:
            name = f"@bacowr-test-{os.getpid()}-{flag}"
            server = self.start(f"--statsd.{flag}={name}")
            data = b"abstract:1|c" if kind == socket.SOCK_DGRAM else frame("abstract:1|c")
            with connected(kind, name) as sender:
                sender.send(data)
            self.assertEqual(server.settle(lines=1).value("abstract"), 1)
            self.path = Path(name)
            self.assertIn("address in use", self.refused(flag))
            self.assertFalse(self.path.exists())

    def test_one_of_them_is_enough(self) -> None:
        for flag, _ in self.KINDS:
            self.serve(flag, "--statsd.listen-udp=", "--statsd.listen-tcp=").stop()
        done = run("--statsd.listen-udp=", "--statsd.listen-tcp=", "--statsd.listen-unixgram=",
                   "--statsd.listen-unix=")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing to listen on", done.stderr)


class UnixgramTest(UnixTest):
    def sender(self) -> socket.socket:
        sender = connected(socket.SOCK_DGRAM, self.path)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.addCleanup(sender.close)
        return sender

    def test_datagrams_are_counted(self) -> None:
        server = self.serve("listen-unixgram")
        self.assertIn("transport=unixgram", server.log())
        sent = [b"a:1|c", b"a:2|c\nb:3|g\n", b""]
        sender = self.sender()
        for data in sent:
            sender.send(data)
        page = server.settle(lines=5)
        self.assertEqual((page.value("a"), page.value("b")), (3, 3))
        self.assertEqual(page.value("statsd_exporter_unixgram_packets_total"), 3)
        self.assertEqual(page.value("statsd_exporter_udp_packets_total"), 0)
        self.assertEqual(page.value("statsd_exporter_lines_total"), 5)
        self.assertEqual(page.value("bacowr_statsd_received_bytes_total", transport="unixgram"),
                         sum(map(len, sent)))

    def test_nothing_of_a_burst_is_lost(self) -> None:
        """More than the kernel queues: who sends waits."""
        server = self.serve("listen-unixgram", "--statsd.ingest-threads=2")
        sender = self.sender()
        for _ in range(5000):
            sender.send(b"burst:1|c")
        page = server.settle(lines=5000)
        self.assertEqual(page.value("burst"), 5000)
        self.assertEqual(page.value("statsd_exporter_unixgram_packets_total"), 5000)

    def test_big_datagrams(self) -> None:
        """Up to 65535 bytes they are whole; of a longer one the whole lines are used."""
        server = self.serve("listen-unixgram")
        line = b"big:1|c\n"
        n = 65535 // len(line)
        self.sender().send((line * n).ljust(65535, b"\n"))
        page = server.eventually("all is there", lambda p: p.get("big") == n)
        self.assertEqual(page.value("bacowr_statsd_unixgram_truncated_datagrams_total"), 0)
        self.sender().send(b"x" + b"cut:1|c\n" * 10000)
        whole = (65536 - len("xcut:1|c\n")) // 8
        page = server.eventually("its whole lines are used", lambda p: p.get("cut") == whole)
        self.assertEqual(page.value("xcut"), 1)
        self.assertEqual(page.value("bacowr_statsd_unixgram_truncated_datagrams_total"), 1)

    def test_what_waits_at_the_end_is_taken_in(self) -> None:
        server = self.serve("listen-unixgram")
        server.signal(signal.SIGSTOP)
        sender = self.sender()
        for _ in range(5):
            sender.send(b"late:1|c")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        server.check_end(server.process.wait(20))
        self.assertIn("unixgram_datagrams=5", server.log())

    def test_the_receive_buffer_is_asked_for(self) -> None:
        self.serve("listen-unixgram", "--statsd.listen-udp=", "--statsd.read-buffer=65536")


class FramesTest(UnixTest):
    def open(self) -> socket.socket:
        connection = connected(socket.SOCK_STREAM, self.path)
        self.addCleanup(connection.close)
        return connection

    def test_frames_however_they_are_cut(self) -> None:
        server = self.serve("listen-unix")
        self.assertIn("transport=unix ", server.log())
        data = frame("a:1|c\nb:2|c") + frame("") + frame("a:4|c\n")
        connection = self.open()
        for i in range(len(data)):
            connection.sendall(data[i:i + 1])
        connection.sendall(data)
        page = server.settle(lines=10)
        self.assertEqual((page.value("a"), page.value("b")), (10, 4))
        self.assertEqual(page.value("statsd_exporter_lines_total"), 10)
        self.assertEqual(page.value("bacowr_statsd_unix_connections_total"), 1)
        self.assertEqual(page.value("statsd_exporter_tcp_connections_total"), 0)
        self.assertEqual(page.value("bacowr_statsd_tcp_connections_open"), 1)
        self.assertEqual(page.value("bacowr_statsd_received_bytes_total", transport="unix"),
                         2 * len(data))

    def test_the_longest_frame(self) -> None:
        server = self.serve("listen-unix")
        self.open().sendall(frame(b"long:1|c\n" * 7281 + b"end:1|c") + frame("next:1|c"))
        page = server.eventually("the next one", lambda p: p.get("next") == 1)
        self.assertEqual((page.value("long"), page.value("end")), (7281, 1))
        self.assertEqual(page.value(FRAME_ERRORS), 0)

    def test_a_frame_too_long_ends_its_connection(self) -> None:
        server = self.serve("listen-unix")
        other = self.open()
        bad = self.open()
        bad.sendall(frame("before:1|c") + struct.pack("<I", 65537))
        self.assertEqual(bad.recv(1), b"")
        other.sendall(frame("other:1|c"))
        page = server.settle(lines=2)
        self.assertEqual((page.value("before"), page.value("other")), (1, 1))
        self.assertEqual(page.value(FRAME_ERRORS), 1)
        self.assertEqual(page.value("bacowr_statsd_unix_connection_errors_total"), 0)

    def test_a_cut_frame_is_counted(self) -> None:
        server = self.serve("listen-unix")
        for data in (b"\x05", frame("cut:1|c")[:-1], frame("whole:1|c")):
            with self.open() as connection:
                connection.sendall(data)
        page = server.eventually("both are counted", lambda p: p.get(FRAME_ERRORS) == 2)
        page = server.settle(lines=1)
        self.assertEqual(page.value("whole"), 1)
        self.assertNotIn("cut", page.families)

    def test_connections_share_the_limit_of_tcp(self) -> None:
        server = self.serve("listen-unix", "--statsd.tcp-max-connections=1")
        first = self.open()
        first.sendall(frame("first:1|c"))
        server.settle(lines=1)
        self.assertEqual(self.open().recv(1), b"")
        with server.connect() as tcp:
            self.assertEqual(tcp.recv(1), b"")
        page = server.scrape()
        self.assertEqual(page.value("bacowr_statsd_tcp_connections_refused_total"), 2)
        self.assertEqual(page.value("bacowr_statsd_unix_connections_total"), 1)

    def test_connections_are_dealt_to_the_threads(self) -> None:
        server = self.serve("listen-unix", "--statsd.ingest-threads=3")
        connections = [self.open() for _ in range(6)]
        for connection in connections:
            connection.sendall(frame("dealt:1|c") * 100)
        self.assertEqual(server.settle(lines=600).value("dealt"), 600)

    def test_the_socket_is_gone_while_connections_stay(self) -> None:
        server = self.serve("listen-unix")
        connection = self.open()
        connection.sendall(frame("a:1|c"))
        server.settle(lines=1)
        server.stop()
        wait_until("the connection ends", lambda: connection.recv(1) == b"")
        self.assertFalse(self.path.exists())


if __name__ == "__main__":
    unittest.main()
