# SPDX-License-Identifier: Apache-2.0
"""Nobody who holds on to what he has locks out the others: connections, descriptors."""

from __future__ import annotations

import os
import resource
import socket
import stat
import time
import unittest
from pathlib import Path
from unittest import mock

from lib.harness import HOST, Server, ServerTest, binary, new_folder, read_all, wait_until
from lib.load import send_paced

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /metrics HTTP/1.1\r\nHost:"
STALE_SECONDS = 1.5  # without progress: then a connection may have to make room
HTTP = "bacowr_statsd_http_connections_"


class EvictionTest(ServerTest):
    """At the limit of HTTP connections those without progress make room."""

    def stuck(self, server: Server) -> socket.socket:
        """A connection whose answer is larger than what sockets hold, and which does not read."""
        connection = socket.socket()
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((HOST, server.ports.web))
        connection.sendall(GET)
        return connection

    def large(self, *flags: str) -> Server:
        server = self.start(*flags)
        filler = "f" * 1000
        send_paced(server.ports.udp,
                   [f"large:1|c|#number:{i},filler:{filler}".encode() for i in range(7000)])
        server.eventually("all are there", lambda page: page.total("large") == 7000)
        return server

    def test_half_requests_do_not_lock_out(self) -> None:
        server = self.start("--web.max-connections=8")
        halves = [server.web() for _ in range(8)]
        for connection in halves:
            connection.sendall(b"G")
        time.sleep(STALE_SECONDS)
        page = server.scrape()
        self.assertEqual(page.value(HTTP + "evicted_total"), 1)
        self.assertEqual(page.value(HTTP + "refused_total"), 0)
        for connection in halves:
            connection.close()

    def test_clients_that_do_not_read_do_not_lock_out(self) -> None:
        server = self.large("--web.max-connections=8")
        stuck = [self.stuck(server) for _ in range(8)]
        time.sleep(STALE_SECONDS)
        self.assertEqual(server.get("/-/healthy").status, 200)
        for connection in stuck:
            connection.close()
        page = server.eventually("they are gone", lambda p: p.value(HTTP + "open") == 1)
        self.assertGreaterEqual(page.value(HTTP + "evicted_total"), 1)

    def test_the_idle_go_first_and_the_stuck_last(self) -> None:
        server = self.large("--web.max-connections=3")
        stuck = self.stuck(server)
        half = server.web()
        half.sendall(HALF)
        idle = server.web()
        time.sleep(STALE_SECONDS)
        later = []
        for connection in (idle, half):
            later.append(server.web())
            self.assertEqual(read_all(connection), b"")
            connection.close()
        later.append(server.web())
        self.assertLess(len(read_all(stuck)), 6 << 20)  # cut off before the end
        stuck.close()
        with server.web() as refused:  # for those three came just now
            self.assertIn(b"503", read_all(refused)[:13])
        for connection in later:
            connection.close()

    def test_a_client_that_reads_slowly_is_kept(self) -> None:
        """That it goes on is seen before it is judged."""
        server = self.large("--web.max-connections=1")
        slow = self.stuck(server)
        got, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            got += len(slow.recv(1 << 20))
            with server.web() as refused:
                self.assertIn(b"503", read_all(refused)[:13])
            time.sleep(0.2)
        self.assertLess(got, 7000 * 1000)
        slow.close()


class DescriptorsTest(ServerTest):
    def test_without_descriptors_the_stale_make_room(self) -> None:
        """And whoever waits is let in at once, not a retry later."""
        server = self.start()
        time.sleep(0.2)  # what asked whether it is ready is gone
        in_use = [int(fd) for fd in os.listdir(f"/proc/{server.process.pid}/fd")]
        limit = max(in_use) + 6
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        held = [server.web() for _ in range(limit - len(in_use))]
        time.sleep(STALE_SECONDS)
        begin = time.monotonic()
        self.assertEqual(server.get("/-/healthy").status, 200)
        self.assertLess(time.monotonic() - begin, 1)
        for connection in held:
            connection.close()
        page = server.scrape()
        self.assertGreaterEqual(page.value(HTTP + "evicted_total"), 1)
        self.assertEqual(page.value("bacowr_statsd_http_accept_errors_total"), 0)

    def test_limits_of_connections_fit_the_descriptors(self) -> None:
        """Both kinds are cut to what is left, HTTP keeps its part, and the log says so."""
        with mock.patch.dict(os.environ, BACOWR_STATSD=str(self.limited_binary(64))):
            server = self.start()
        for event in ("http_connections_limited", "tcp_connections_limited"):
            self.assertIn(f"event={event} limit=", server.log())
        streams = [server.connect() for _ in range(60)]
        time.sleep(0.2)
        page = server.scrape()
        self.assertGreater(page.value("bacowr_statsd_tcp_connections_refused_total"), 0)
        self.assertEqual(page.value("bacowr_statsd_tcp_accept_errors_total"), 0)
        for stream in streams:
            stream.close()

    def limited_binary(self, n_descriptors: int) -> Path:
        """The binary behind a shell that lowers the limit first."""
        script = self.enterContext(new_folder()) / "limited"
        script.write_text(f'#!/bin/sh\nulimit -n {n_descriptors}\nexec "{binary()}" "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return script


class TcpLimitTest(ServerTest):
    def test_refused_connections_are_told_once_a_minute(self) -> None:
        """A counter for each, one line in the log."""
        server = self.start("--statsd.tcp-max-connections=1")
        with server.connect() as first:
            first.sendall(b"in:1|c\n")
            server.eventually("the first is served", lambda page: page.get("in") == 1)
            for _ in range(5):
                with server.connect() as refused:
                    self.assertEqual(read_all(refused), b"")
            wait_until("the log tells", lambda: "event=tcp_connections_refused" in server.log())
            with server.connect() as refused:
                self.assertEqual(read_all(refused), b"")
            time.sleep(0.3)
        self.assertEqual(server.log().count("event=tcp_connections_refused"), 1)
        self.assertIn("--statsd.tcp-max-connections", server.log())


if __name__ == "__main__":
    unittest.main()
