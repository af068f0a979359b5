# SPDX-License-Identifier: Apache-2.0
"""StatsD over TCP: lines cut out of streams, many of them at a time."""

from __future__ import annotations

import socket
import struct
import time
import unittest

from lib.harness import ServerTest, read_all

LONGEST = 4095  # bytes of a line, without its LF
TOO_LONG = "statsd_exporter_tcp_too_long_lines_total"
ERRORS = "statsd_exporter_tcp_connection_errors_total"


def line_of(length: int, name: str) -> bytes:
    """A counter line of so many bytes."""
    return name.encode() + b"x" * (length - len(name) - len(":1|c")) + b":1|c"


class TcpTest(ServerTest):
    def test_a_line_may_come_in_any_pieces(self) -> None:
        server = self.start()
        with server.connect() as connection:
            for byte in b"slow:1|c\nsl":
                connection.sendall(bytes([byte]))
                time.sleep(0.002)
            connection.sendall(b"ow:1|c\nslow:1|c\nslow:")
            server.eventually("three whole lines", lambda p: p.get("slow") == 3)
            connection.sendall(b"1|c")
            time.sleep(0.05)
            self.assertEqual(server.scrape().value("slow"), 3)
        server.eventually("the last line, though it has no end", lambda p: p.get("slow") == 4)

    def test_empty_lines_and_an_empty_connection(self) -> None:
        server = self.start()
        server.connect().close()
        server.stream("\n\r\n\nafter:1|c\n")
        page = server.settle(lines=4)
        self.assertEqual(page.value("after"), 1)
        self.assertEqual(page.value("statsd_exporter_tcp_connections_total"), 2)
        self.assertEqual(page.refused(), {})

    def test_the_longest_line(self) -> None:
        server = self.start()
        server.stream(line_of(LONGEST, "a") + b"\nnext:1|c\n")
        page = server.settle(lines=2)
        self.assertEqual(page.value("next"), 1)
        self.assertEqual(page.value("a" + "x" * (LONGEST - 5)), 1)
        self.assertEqual(page.value(TOO_LONG), 0)

    def test_a_line_too_long_ends_its_connection_only(self) -> None:
        server = self.start()
        with server.connect() as good, server.connect() as bad:
            bad.sendall(b"before:1|c\n" + line_of(LONGEST + 1, "b") + b"\nlost:1|c\n")
            self.assertEqual(read_all(bad), b"")
            good.sendall(b"good:1|c\n")
            page = server.settle(lines=2)
        self.assertEqual((page.value("before"), page.value("good")), (1, 1))
        self.assertEqual(page.get("lost"), 0)
        self.assertEqual(page.value(TOO_LONG), 1)

    def test_a_line_that_never_ends(self) -> None:
        """A stream without line ends is not collected without bound."""
        server = self.start()
        with server.connect() as connection:
            with self.assertRaises(OSError):
                for _ in range(10000):
                    connection.sendall(b"y" * 65536)
        page = server.eventually("the line is refused", lambda p: p.value(TOO_LONG) == 1)
        self.assertEqual(page.users(), {})

    def test_many_connections_at_once(self) -> None:
        server = self.start()
        connections = [server.connect() for _ in range(300)]
        for round_number in range(3):
            for connection in connections:
                connection.sendall(b"many:1|c\nhalf:")
            for connection in connections:
                connection.sendall(b"1|c\n")
        for connection in connections:
            connection.close()
        page = server.settle(lines=1800)
        self.assertEqual((page.value("many"), page.value("half")), (900, 900))
        self.assertEqual(page.value("statsd_exporter_tcp_connections_total"), 300)

    def test_a_reset_costs_only_the_unfinished_line(self) -> None:
        server = self.start()
        connection = server.connect()
        connection.sendall(b"whole:1|c\nhal")
        server.eventually("the whole line", lambda p: p.get("whole") == 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        page = server.eventually("the error is counted", lambda p: p.value(ERRORS) == 1)
        self.assertEqual((page.value("whole"), page.refused()), (1, {}))

    def test_a_stream_larger_than_any_buffer(self) -> None:
        """Back-pressure, not loss: half a million lines through one connection."""
        server = self.start()
        block = b"".join(b"bulk:1|c|#n:%d\n" % (i % 100) for i in range(5000))
        server.stream(*[block] * 100)
        page = server.settle(lines=500000)
        self.assertEqual(page.total("bulk"), 500000)

    def test_what_was_sent_before_the_end_is_taken_at_the_end(self) -> None:
        """SIGTERM with connections open is an orderly end too."""
        server = self.start()
        with server.connect() as connection:
            connection.sendall(b"open:1|c\nope")
            server.eventually("the whole line", lambda p: p.get("open") == 1)
            server.stop()
            self.assertEqual(read_all(connection), b"")

    def test_the_limit_of_connections(self) -> None:
        """One more is closed at once; when one goes there is room again."""
        server = self.start("--statsd.tcp-max-connections=3")
        connections = [server.connect() for _ in range(3)]
        for connection in connections:
            connection.sendall(b"in:1|c\n")
        server.eventually("three are served", lambda p: p.get("in") == 3)
        with server.connect() as refused:
            self.assertEqual(read_all(refused), b"")
        connections.pop().close()

        def served() -> bool:
            with server.connect() as again:
                again.sendall(b"again:1|c\n")
            return server.scrape().get("again") > 0

        server.eventually("there is room again", lambda _: served())
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    unittest.main()
