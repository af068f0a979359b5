# SPDX-License-Identifier: Apache-2.0
"""The HTTP side: what a scraper gets, and what a careless or hostile client cannot do."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
import unittest

from lib.exposition import Page
from lib.harness import HOST, Server, ServerTest, read_all, wait_until
from lib.load import send_paced

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
GET_LAST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Answers:
    """Reads answers to GET, one after the other, from one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.file = connection.makefile("rb")

    def read(self) -> tuple[int, bytes]:
        """Status and body."""
        status = int(self.file.readline().split()[1])
        fields: dict[bytes, bytes] = {}
        while line := self.file.readline().strip():
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        if fields.get(b"transfer-encoding") == b"chunked":
            return status, b"".join(iter(self._chunk, b""))
        return status, self.file.read(int(fields[b"content-length"]))

    def _chunk(self) -> bytes:
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        self.file.readline()
        return data


def without_own(page: Page) -> str:
    """The page's text without the server's own families, which change from scrape to scrape."""
    own = tuple(prefix for family in page.families.values() if family.own
                for prefix in (family.name, f"# HELP {family.name}", f"# TYPE {family.name}"))
    return "\n".join(line for line in page.text.splitlines() if not line.startswith(own))


class PageTest(ServerTest):
    def test_the_metrics_page(self) -> None:
        server = self.start()
        answer = server.get("/metrics")
        self.assertEqual(answer.status, 200)
        kind = [part.strip() for part in answer.headers["content-type"].split(";")]
        self.assertEqual(kind[:2], ["text/plain", "version=0.0.4"])
        self.assertNotIn("content-encoding", answer.headers)

    def test_head_is_get_without_the_body(self) -> None:
        server = self.start()
        for path in ("/metrics", "/", "/-/healthy"):
            with self.subTest(path):
                get, head = server.get(path), server.get(path, "HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual(head.headers["content-type"], get.headers["content-type"])

    def test_gzip_when_asked(self) -> None:
        """And the same page within."""
        server = self.start()
        server.send(*[f"s{i}:1|c|#k:v{i}" for i in range(50)])
        plain = server.settle()
        for accept in ("gzip", "deflate, gzip;q=0.5", "GZIP", "*"):
            with self.subTest(accept):
                answer = server.get("/metrics", headers={"Accept-Encoding": accept})
                self.assertEqual(answer.headers.get("content-encoding"), "gzip")
                page = Page(gzip.decompress(answer.body).decode())
                self.assertEqual(without_own(page), without_own(plain))
                self.assertLess(len(answer.body), len(plain.text) / 3)
        for accept in ("", "identity", "gzip;q=0", "deflate"):
            with self.subTest(accept):
                answer = server.get("/metrics", headers={"Accept-Encoding": accept})
                self.assertNotIn("content-encoding", answer.headers)

    def test_what_prometheus_asks_for(self) -> None:
        """Its own Accept header, by which it would rather have OpenMetrics."""
        server = self.start()
        accept = ("application/openmetrics-text;version=1.0.0,"
                  "application/openmetrics-text;version=0.0.1;q=0.75,"
                  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
        answer = server.get("/metrics", headers={"Accept": accept})
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["content-type"].startswith("text/plain"))

    def test_the_small_pages(self) -> None:
        server = self.start()
        self.assertIn(b"/metrics", server.get("/").body)
        for path in ("/-/healthy", "/-/ready"):
            answer = server.get(path)
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.body.endswith(b"\n"))
        for path in ("/nothing", "/metrics/", "/-/", "//"):
            with self.subTest(path):
                self.assertEqual(server.get(path).status, 404)
        self.assertEqual(server.get("/metrics?name=x").status, 200)

    def test_methods(self) -> None:
        server = self.start()
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            with self.subTest(method):
                answer = server.get("/metrics", method)
                self.assertEqual(answer.status, 405)
                self.assertIn("GET", answer.headers["allow"])

    def test_another_telemetry_path(self) -> None:
        server = self.start("--web.telemetry-path=/stats")
        self.assertEqual(server.get("/stats").status, 200)
        self.assertEqual(server.get("/metrics").status, 404)

    def test_lifecycle_must_be_asked_for(self) -> None:
        server = self.start()
        for path in ("/-/reload", "/-/quit"):
            self.assertEqual(server.get(path, "POST").status, 404)

    def test_quit(self) -> None:
        server = self.start("--web.enable-lifecycle")
        self.assertEqual(server.get("/-/quit", "POST").status, 200)
        self.assertEqual(server.process.wait(10), 0)


class ConnectionTest(ServerTest):
    def test_keep_alive(self) -> None:
        server = self.start()
        with server.web() as connection:
            answers = Answers(connection)
            for _ in range(20):
                connection.sendall(GET)
                self.assertEqual(answers.read()[0], 200)

    def test_pipelining(self) -> None:
        """Answers come in the order of the questions."""
        server = self.start()
        with server.web() as connection:
            answers = Answers(connection)
            connection.sendall((GET + GET.replace(b"/metrics", b"/none")) * 10 + GET_LAST)
            statuses = [answers.read()[0] for _ in range(21)]
            self.assertEqual(statuses, [200, 404] * 10 + [200])
            self.assertEqual(connection.recv(1), b"")

    def test_a_request_in_single_bytes(self) -> None:
        server = self.start()
        with server.web() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in GET_LAST:
                connection.sendall(bytes([byte]))
            self.assertTrue(read_all(connection).startswith(b"HTTP/1.1 200 "))

    def test_http_1_0_ends_after_one_answer(self) -> None:
        server = self.start()
        answer = server.raw(b"GET /metrics HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", answer.splitlines()[0])
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertNotIn(b"chunked", head.lower())
        Page(body.decode())

    def test_a_half_closed_client_still_gets_its_answer(self) -> None:
        server = self.start()
        answer = server.raw(GET_LAST, close=True)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "))
        self.assertIn(b"statsd_exporter_lines_total 0", answer)

    def test_a_body_is_read_past(self) -> None:
        server = self.start()
        with server.web() as connection:
            answers = Answers(connection)
            connection.sendall(GET[:-2] + b"Content-Length: 5\r\n\r\nhello" + GET)
            self.assertEqual([answers.read()[0] for _ in range(2)], [200, 200])

    def test_bad_requests(self) -> None:
        """An answer that says so, and the end of the connection."""
        server = self.start()
        cases = {
            b"nonsense\r\n\r\n": 400,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,  # a TLS greeting
            b"GET /metrics HTTP/1.1\r\n\r\n": 400,  # no Host
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n": 400,
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n": 400,
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n": 400,
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n": 400,
            b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n": 505,
            b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": 414,
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Fill: y\r\n" * 5000 + b"\r\n": 431,
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n": 413,
        }
        for request, status in cases.items():
            with self.subTest(request[:70]):
                answer = server.raw(request, close=True)
                self.assertEqual(answer[:13], b"HTTP/1.1 %d " % status)
        self.assertEqual(server.get("/metrics").status, 200)

    def test_a_slow_request_ends(self) -> None:
        """However steadily its bytes drip, and an idle connection too."""
        server = self.start("--web.timeout=1s")
        begin = time.monotonic()
        with server.web() as dripping, server.web() as idle:
            with self.assertRaises(OSError):
                for byte in b"GET /" + b"a" * 1000:
                    dripping.sendall(bytes([byte]))
                    time.sleep(0.02)
            read_all(idle)
        self.assertLess(time.monotonic() - begin, 8)

    def test_slow_clients_do_not_hold_up_others(self) -> None:
        """A hundred that never finish their request, and one that works."""
        server = self.start()
        slow = [server.web() for _ in range(100)]
        for connection in slow:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        begin = time.monotonic()
        self.assertEqual(server.get("/metrics").status, 200)
        self.assertLess(time.monotonic() - begin, 2)
        for connection in slow:
            connection.close()

    def test_the_limit_of_connections(self) -> None:
        server = self.start("--web.max-connections=4")
        held = [server.web() for _ in range(4)]
        for connection in held:
            connection.sendall(GET)
            connection.recv(100)
        with server.web() as refused:
            refused.sendall(GET)
            self.assertFalse(read_all(refused).startswith(b"HTTP/1.1 200"))
        for connection in held:
            connection.close()

        def answered() -> bool:
            try:
                return server.get("/-/healthy").status == 200
            except (OSError, http.client.HTTPException):
                return False

        wait_until("there is room again", answered)


class LargePageTest(ServerTest):
    """A page of seven megabytes, larger than what sockets buffer."""

    N_SERIES = 7000

    def large(self, *flags: str) -> Server:
        server = self.start(*flags)
        filler = "f" * 1000
        send_paced(server.ports.udp, [f"large:1|c|#number:{i},filler:{filler}".encode()
                                      for i in range(self.N_SERIES)])
        server.sent_datagrams = self.N_SERIES
        self.assertEqual(server.settle().total("large"), self.N_SERIES)
        return server

    def test_scrapes_at_the_same_time(self) -> None:
        server = self.large()
        pages: list[Page] = []

        def scrape() -> None:
            answer = server.get("/metrics", headers={"Accept-Encoding": "gzip"})
            pages.append(Page(gzip.decompress(answer.body).decode()))

        threads = [threading.Thread(target=scrape) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([page.total("large") for page in pages], [self.N_SERIES] * 8)

    def test_a_client_that_does_not_read(self) -> None:
        """It costs a bounded buffer and its own connection, and no sample."""
        server = self.large("--web.timeout=2s")
        resident = resident_bytes(server)
        stuck = []
        for _ in range(20):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((HOST, server.ports.web))
            connection.sendall(GET)
            stuck.append(connection)
        time.sleep(0.5)
        begin = time.monotonic()
        self.assertEqual(server.get("/-/healthy").status, 200)
        self.assertLess(time.monotonic() - begin, 1)
        server.send("meanwhile:1|c")
        self.assertEqual(server.settle().value("meanwhile"), 1)
        self.assertLess(resident_bytes(server) - resident, 40 << 20)
        time.sleep(3)
        for connection in stuck:
            connection.settimeout(10)
            self.assertLess(len(read_all(connection)), 6 << 20)  # cut off before the end
            connection.close()

    def test_a_client_that_leaves_in_the_middle(self) -> None:
        server = self.large()
        for _ in range(10):
            with server.web() as connection:
                connection.sendall(GET * 3)
                connection.recv(1000)
        self.assertEqual(server.settle().total("large"), self.N_SERIES)


def resident_bytes(server: Server) -> int:
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


if __name__ == "__main__":
    unittest.main()
