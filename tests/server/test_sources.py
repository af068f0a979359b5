# SPDX-License-Identifier: Apache-2.0
"""Who sends how much, who may send, and how much of it.

Senders are addresses of 127.0.0.0/8: each socket is bound to one of them.
"""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import time
import unittest
from typing import Any

from lib.exposition import Page
from lib.harness import HOST, Server, ServerTest, read_all

RECEIVED = "statsd_exporter_udp_packets_total"
REFUSED = "bacowr_statsd_udp_refused_datagrams_total"
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"


def sender(server: Server, address: str) -> socket.socket:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 0))
    s.connect((HOST, server.ports.udp))
    return s


def connection(server: Server, address: str) -> socket.socket:
    return socket.create_connection((HOST, server.ports.tcp), timeout=20,
                                    source_address=(address, 0))


def refused(page: Page, reason: str) -> float:
    return page.total(REFUSED, reason=reason)


def accounted(page: Page) -> float:
    """What was sent is received, dropped by the kernel, or refused by policy."""
    return page.get(RECEIVED) + page.total(DROPPED) + page.total(REFUSED)


class SourcesTest(ServerTest):
    def told(self, server: Server) -> dict[str, Any]:
        answer = server.get("/api/v1/sources")
        self.assertEqual((answer.status, answer.headers["content-type"]),
                         (200, "application/json"))
        return json.loads(answer.body)

    def sources(self, server: Server) -> dict[str, dict[str, Any]]:
        return {s["address"]: s for s in self.told(server)["sources"]}

    def settled(self, server: Server, sent: int) -> Page:
        """Datagrams are counted before their batch is fed: a page later they are both."""
        server.eventually("all are accounted for", lambda p: accounted(p) >= sent)
        page = server.eventually(
            "the batch is fed", lambda p: p.get("bacowr_statsd_datagrams_total") >= p.get(RECEIVED))
        self.assertEqual(accounted(page), sent)
        return page

    # ---- who sends what ----

    def test_each_sender_has_its_counts(self) -> None:
        server = self.start("--statsd.sources=64")
        lines = {"127.0.0.2": ["a:1|c", "a:1|c\nb:2|c\n", "nonsense"],
                 "127.0.0.3": ["c:1|c\nd:1|g\ne:1|ms\n\nf:x|c"] * 3,
                 "127.0.0.4": [""]}
        n = 0
        for address, datagrams in lines.items():
            with sender(server, address) as s:
                for datagram in datagrams:
                    s.send(datagram.encode())
                    n += 1
            page = self.settled(server, n)
        with connection(server, "127.0.0.5") as s:
            s.sendall(b"t:1|c\nu:1|c\nbad\nv:1|")
            server.eventually("three lines", lambda p: p.get("u") == 1)
        page = server.eventually("the last one", lambda p: sum(p.refused().values()) >= 6)
        told = self.told(server)
        known = {s["address"]: {k: s[k] for k in ("lines", "lines_error", "datagrams", "bytes",
                                                 "bad", "series", "limited")}
                 for s in told["sources"]}
        size = {a: sum(len(d) for d in datagrams) for a, datagrams in lines.items()}
        self.assertEqual(known, {
            "127.0.0.3": dict(lines=15, lines_error=0, datagrams=3, bytes=size["127.0.0.3"],
                              bad=3, series=3, limited=0),
            "127.0.0.2": dict(lines=5, lines_error=0, datagrams=3, bytes=size["127.0.0.2"],
                              bad=1, series=2, limited=0),
            "127.0.0.5": dict(lines=4, lines_error=0, datagrams=0, bytes=20, bad=2, series=2,
                              limited=0),
            "127.0.0.4": dict(lines=1, lines_error=0, datagrams=1, bytes=0, bad=0, series=0,
                              limited=0)})
        self.assertEqual(sum(s["lines"] for s in told["sources"]),
                         page.get("statsd_exporter_lines_total"))
        self.assertEqual([s["address"] for s in told["sources"]][:2], ["127.0.0.3", "127.0.0.2"])
        self.assertEqual(told["unknown_sender"], {"bad": 0, "series": 0})
        self.assertEqual((told["known"], told["replaced"], told["missed_lines_at_most"]), (4, 0, 0))
        self.assertEqual(page.get("bacowr_statsd_sources"), 4)

    def test_a_bad_sender_among_others_is_found(self) -> None:
        """A stopped server finds all of a round at once, as one batch of several senders."""
        server = self.start("--statsd.sources=64")
        others = [sender(server, f"127.0.1.{i}") for i in range(1, 9)]
        bad = sender(server, "127.0.2.1")
        n = 0
        try:
            for _ in range(20):
                server.signal(signal.SIGSTOP)
                os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
                for _ in range(7):
                    for s in others:
                        s.send(b"good:1|c\ngood:2|c")
                    bad.send(b"good:1|c\nnonsense")
                    n += 9
                server.signal(signal.SIGCONT)
                page = self.settled(server, n)
        finally:
            for s in [*others, bad]:
                s.close()
        told = self.told(server)
        known = {s["address"]: s for s in told["sources"]}
        self.assertEqual({s["lines"] for s in known.values()}, {280})
        self.assertEqual({s["datagrams"] for s in known.values()}, {140})
        self.assertEqual([a for a, s in known.items() if s["bad"]], ["127.0.2.1"])
        # Of the first batch nobody knows it; all others are told apart.
        self.assertEqual(told["unknown_sender"], {"bad": 7, "series": 1})
        self.assertEqual(known["127.0.2.1"]["bad"], 133)
        self.assertEqual(page.get("bacowr_statsd_source_unknown_bad_total"), 7)
        self.assertEqual(page.get("bacowr_statsd_source_unknown_series_total"), 1)

    def test_more_senders_than_places(self) -> None:
        server = self.start("--statsd.sources=16")
        n = 0
        with sender(server, "127.1.0.1") as heavy:
            for i in range(1, 200):
                with sender(server, f"127.2.0.{i}") as s:
                    s.send(b"x:1|c")
                heavy.send(b"x:1|c\nx:1|c\nx:1|c")
                n += 2
        self.settled(server, n)
        told = self.told(server)
        first = told["sources"][0]
        self.assertEqual((told["capacity"], told["known"], len(told["sources"])), (16, 16, 16))
        self.assertEqual(first["address"], "127.1.0.1")
        self.assertGreaterEqual(first["lines"], 3 * 199)
        self.assertLessEqual(first["lines"] - first["lines_error"], 3 * 199)
        self.assertGreaterEqual(told["replaced"], 199 + 1 - 16)
        for s in told["sources"][1:]:
            self.assertLessEqual(s["lines"] - s["lines_error"], 1)
        self.assertLessEqual(1, told["missed_lines_at_most"])

    def test_several_threads_are_put_together(self) -> None:
        server = self.start("--statsd.sources=64", "--statsd.ingest-threads=4")
        for i in range(1, 31):
            with sender(server, f"127.0.3.{i}") as s:
                s.send(b"x:1|c\n" * i)
        self.settled(server, 30)
        for _ in range(8):
            with connection(server, "127.0.3.30") as s:
                s.sendall(b"x:1|c\n")
        server.eventually("all lines", lambda p: p.get("x") == sum(range(1, 31)) + 8)
        known = self.sources(server)
        self.assertEqual(len(known), 30)
        self.assertEqual(known["127.0.3.30"]["lines"], 31 + 8)
        self.assertEqual(known["127.0.3.7"]["lines"], 8)

    def test_ipv6(self) -> None:
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        server = self.start()  # its ports are free ones
        server.stop()
        flags = [f"--statsd.listen-udp=[::1]:{server.ports.udp}", "--statsd.sources=8",
                 "--statsd.udp-allow=2001:db8::/32", "--statsd.udp-allow=::1"]
        try:
            server = self.start(*flags, ports=server.ports)
        except Exception:
            self.skipTest("no address ::1")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.sendto(b"six:1|c", ("::1", server.ports.udp))
        server.eventually("it is in", lambda p: p.get("six") == 1)
        self.assertEqual(list(self.sources(server)), ["::1"])

    def test_nothing_is_kept_unless_asked_for(self) -> None:
        server = self.start()
        server.send("x:1|c")
        page = server.settle()
        told = self.told(server)
        self.assertEqual((told["capacity"], told["sources"], told["refused"]), (0, [], []))
        self.assertEqual(page.get("bacowr_statsd_sources"), 0)

    # ---- who is told ----

    def test_who_is_told(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("192.0.2.1", 9))
            except OSError:
                self.skipTest("this machine has loopback only")
            mine = s.getsockname()[0]
        if ipaddress.ip_address(mine).is_loopback:
            self.skipTest("this machine has loopback only")
        server = self.start()
        ports = server.ports
        server.stop()
        server = self.start(f"--web.listen-address=0.0.0.0:{ports.web}", ports=ports)
        request = b"GET /api/v1/sources HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with socket.create_connection((mine, ports.web), timeout=20) as far:
            far.sendall(request)
            self.assertIn(b"HTTP/1.1 403 ", read_all(far))
        self.assertEqual(server.get("/api/v1/sources").status, 200)
        self.assertEqual(server.get("/api/v1/sources", "POST").status, 405)

    # ---- who may ----

    def test_datagrams_of_strangers_are_refused(self) -> None:
        server = self.start("--statsd.udp-allow=127.0.0.2", "--statsd.udp-allow=127.0.4.0/24",
                            "--statsd.sources=16")
        with sender(server, "127.0.0.2") as a, sender(server, "127.0.4.200") as b, \
                sender(server, "127.0.0.3") as stranger:
            for _ in range(50):
                a.send(b"x:1|c")
                stranger.send(b"stolen:1|c")
                b.send(b"x:1|c")
        page = self.settled(server, 150)
        self.assertEqual(page.value("x"), 100)
        self.assertEqual(page.get("stolen"), 0)
        self.assertEqual(refused(page, "not_allowed"), 50)
        self.assertEqual(refused(page, "limited"), 0)
        told = self.told(server)
        self.assertEqual(sorted(s["address"] for s in told["sources"]),
                         ["127.0.0.2", "127.0.4.200"])
        self.assertEqual([(s["address"], s["datagrams"], s["datagrams_error"])
                          for s in told["refused"]], [("127.0.0.3", 50, 0)])

    def test_connections_of_strangers_are_refused(self) -> None:
        server = self.start("--statsd.tcp-allow=127.0.0.2")
        with connection(server, "127.0.0.3") as stranger:
            try:
                stranger.sendall(b"stolen:1|c\n")
            except OSError:
                pass
            self.assertEqual(read_all(stranger), b"")
        with connection(server, "127.0.0.2") as friend:
            friend.sendall(b"x:1|c\n")
            page = server.eventually("it is in", lambda p: p.get("x") == 1)
        self.assertEqual(page.get("stolen"), 0)
        self.assertEqual(page.get("bacowr_statsd_tcp_connections_not_allowed_total"), 1)
        self.assertEqual(page.get("statsd_exporter_tcp_connections_total"), 1)
        server.send("udp:1|c")  # of no list
        self.assertEqual(server.settle().value("udp"), 1)

    # ---- how much ----

    def test_a_sender_gets_its_rate(self) -> None:
        server = self.start("--statsd.source-max-datagrams=100", "--statsd.source-burst=500ms",
                            "--statsd.sources=16")
        begin = time.monotonic()
        with sender(server, "127.0.0.2") as loud, sender(server, "127.0.0.3") as quiet:
            for i in range(600):
                loud.send(b"loud:1|c")
                if i % 30 == 0:
                    quiet.send(b"quiet:1|c")
        page = self.settled(server, 620)
        most = 50 + 100 * (time.monotonic() - begin) + 1
        self.assertEqual(page.value("quiet"), 20)
        self.assertGreaterEqual(page.value("loud"), 50)
        self.assertLessEqual(page.value("loud"), most)
        self.assertEqual(refused(page, "limited"), 600 - page.value("loud"))
        known = self.sources(server)
        self.assertEqual(known["127.0.0.2"]["limited"], refused(page, "limited"))
        self.assertEqual(known["127.0.0.2"]["datagrams"], page.value("loud"))
        self.assertEqual(known["127.0.0.3"]["limited"], 0)

    def test_lines_are_limited_too(self) -> None:
        server = self.start("--statsd.source-max-lines=1000", "--statsd.source-burst=100ms")
        with sender(server, "127.0.0.2") as s:
            for _ in range(20):
                s.send(b"x:1|c\n" * 99 + b"x:1|c")
        page = self.settled(server, 20)
        self.assertGreaterEqual(page.value("x"), 100)
        self.assertEqual(page.value("x"), 100 * page.get(RECEIVED))
        self.assertGreater(refused(page, "limited"), 0)

    def test_a_stream_above_its_rate_is_read_slowly(self) -> None:
        server = self.start("--statsd.source-max-lines=4000", "--statsd.source-burst=100ms",
                            "--statsd.sources=16")
        begin = time.monotonic()
        with connection(server, "127.0.0.2") as s:
            s.sendall(b"slow:1|c\n" * 8000)
        page = server.eventually("nothing is lost", lambda p: p.get("slow") == 8000)
        self.assertGreater(time.monotonic() - begin, 1.0)
        self.assertEqual(page.total(REFUSED), 0)
        self.assertGreater(self.sources(server)["127.0.0.2"]["limited"], 0)

    def test_the_end_takes_in_what_was_held_back(self) -> None:
        server = self.start("--statsd.source-max-lines=10", "--statsd.source-burst=10ms")
        line = b"held:1|c\n"
        with connection(server, "127.0.0.2") as s:
            s.sendall(line * 5000)
            server.eventually("some is in", lambda p: p.get("held") > 0)
            server.stop()
        stopped = next(line for line in server.log().splitlines() if "event=stopped" in line)
        self.assertIn(f"tcp_bytes={5000 * len(line)}", stopped)


if __name__ == "__main__":
    unittest.main()
