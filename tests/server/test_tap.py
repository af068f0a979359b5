# SPDX-License-Identifier: Apache-2.0
"""/api/v1/tap: lines as they come in, with what becomes of them."""

from __future__ import annotations

import http.client
import json
import re
import time
import unittest
from typing import Any

from lib.harness import HOST, Server, ServerTest, read_all, wait_until

READERS = "bacowr_statsd_tap_readers"
LINES = "bacowr_statsd_tap_lines_total"
SKIPPED = "bacowr_statsd_tap_skipped_lines_total"

MAPPING = """
mappings:
- match: api.*
  name: api_total
  labels: {what: $1}
- match: noise.*
  name: noise
  action: drop
"""


class Stream:
    """A GET of /api/v1/tap, line by line; empty ones are left out."""

    def __init__(self, server: Server, query: str = "") -> None:
        self.connection = http.client.HTTPConnection(HOST, server.ports.web, timeout=20)
        self.connection.request("GET", "/api/v1/tap" + (f"?{query}" if query else ""))
        self.answer = self.connection.getresponse()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *rest: object) -> None:
        self.answer.close()
        self.connection.close()

    def line(self) -> bytes:
        while not (line := self.answer.readline()).strip():
            if not line:
                raise AssertionError("the stream ended")
        return line


class TapTest(ServerTest):
    def test_text(self) -> None:
        server = self.start(mapping=MAPPING)
        with Stream(server) as stream:
            self.assertEqual(stream.answer.status, 200)
            server.send("api.jobs:3|c|@0.5\nnoise.x:1|c\nbad", b"esc\x1b[31m.\xff:1|g")
            lines = [stream.line().decode() for _ in range(4)]
        self.assertTrue(all(re.match(r"\d\d:\d\d:\d\d\.\d{3} \"", x) for x in lines), lines)
        told = [x[13:-1] for x in lines]
        self.assertEqual(told[0], '"api.jobs:3|c|@0.5" -> api_total{what="jobs"} adds 6')
        self.assertEqual(told[1], '"noise.x:1|c" -> dropped by its rule')
        self.assertEqual(told[2], '"bad" -> refused: malformed_line')
        self.assertIn("esc\\x1b[31m.\\xff", told[3])

    def test_json(self) -> None:
        server = self.start(mapping=MAPPING)
        with Stream(server, "form=json&match=api.") as stream:
            self.assertEqual(stream.answer.headers["content-type"], "application/x-ndjson")
            server.send("other:1|c\napi.a:1|c")
            told: dict[str, Any] = json.loads(stream.line())
        self.assertLess(abs(told["time"] - time.time()), 10)
        self.assertEqual(told["explained"]["line"], "api.a:1|c")

    def test_capture(self) -> None:
        """Bytes as they came, with their datagrams' borders."""
        server = self.start()
        with Stream(server, "form=capture") as stream:
            self.assertEqual(stream.line(), b"# bacowr-statsd capture 1\n")
            server.send(b"a:1|c\nb:\x00\xff|c", b"c:1|c")
            lines = [stream.line().split(b" ", 2) for _ in range(3)]
        self.assertEqual([x[1:] for x in lines],
                         [[b"+", b"a:1|c\n"], [b"&", b"b:\x00\xff|c\n"], [b"+", b"c:1|c\n"]])
        self.assertLess(abs(float(lines[0][0]) - time.time()), 10)

    def test_streams_and_tcp_are_tapped_too(self) -> None:
        server = self.start("--statsd.sources=8", "--statsd.ingest-threads=2")
        with Stream(server, "form=capture&match=t%63p*|c") as stream:
            stream.line()
            server.stream("tcp.a:1|c\r\n", "no:1|c\n")
            self.assertTrue(stream.line().endswith(b" + tcp.a:1|c\n"))

    def test_sampled_under_load(self) -> None:
        server = self.start()
        with Stream(server, "rate=10") as stream:
            server.send(*(f"n{i}:1|c" for i in range(50)))
            page = server.settle(lines=50)
            wait_until("some are skipped", lambda: stream.line().startswith(b"#"))
            self.assertEqual(page.value(READERS), 1)
        page = server.eventually("it is gone", lambda p: p.value(READERS) == 0)
        self.assertEqual(page.value(LINES) + page.value(SKIPPED), 50)

    def test_a_reader_that_does_not_read_loses_lines(self) -> None:
        server = self.start()
        with server.web() as web:
            web.sendall(b"GET /api/v1/tap?form=capture HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.eventually("it is there", lambda p: p.value(READERS) == 1)
            line = "x" * 7000 + ":1|c"

            def lost() -> bool:
                server.send(*[line] * 100)
                return server.scrape().value(SKIPPED) > 0

            wait_until("lines are lost", lost)
        server.eventually("it is gone", lambda p: p.value(READERS) == 0)

    def test_asked_wrongly(self) -> None:
        server = self.start()
        for query in ("form=xml", "rate=x", "match=%4", "other=1", "match=" + "a" * 600):
            self.assertEqual(server.get("/api/v1/tap?" + query).status, 400, query)
        self.assertEqual(server.get("/api/v1/tap", method="POST").status, 405)
        self.assertEqual(server.get("/api/v1/tap", method="HEAD").status, 200)
        for headers in ({"X-Forwarded-For": "10.0.0.1"}, {"Host": "evil.example"}):
            self.assertEqual(server.get("/api/v1/tap", headers=headers).status, 403)

    def test_so_many_and_then_the_end(self) -> None:
        server = self.start()
        webs = [server.web() for _ in range(4)]
        for web in webs:
            web.sendall(b"GET /api/v1/tap HTTP/1.0\r\nHost: localhost\r\n\r\n")
        server.eventually("all are there", lambda p: p.value(READERS) == 4)
        self.assertEqual(server.get("/api/v1/tap").status, 503)
        server.stop()
        for web in webs:
            with web:
                read_all(web)


if __name__ == "__main__":
    unittest.main()
