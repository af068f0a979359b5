# SPDX-License-Identifier: Apache-2.0
"""Limits of series on the real server: sums that stay right, what is refused, and who is named."""

from __future__ import annotations

import json
import unittest
from typing import Any

from lib.harness import Server, ServerTest


class CardinalityTest(ServerTest):
    def document(self, server: Server) -> Any:
        answer = server.get("/api/v1/cardinality")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "application/json")
        return json.loads(answer.body)

    def near(self, have: float, want: float) -> None:
        """An estimate, to four times its standard error."""
        self.assertLess(abs(have - want), 0.14 * want)

    def flood(self, server: Server, n: int, text: str) -> None:
        lines = [text.format(i) for i in range(n)]
        for at in range(0, n, 30):
            server.send("\n".join(lines[at:at + 30]))
        server.settle()

    def test_at_the_limit_of_all(self) -> None:
        server = self.start("--statsd.max-series=100", "--statsd.ingest-threads=3")
        self.flood(server, 100, "old:2|c|#user:{0}")
        self.flood(server, 900, "old:2|c|#user:x{0}\nold:-1|c|#user:y{0}\ng:1|g|#id:{0}\nt:1|h|#id:{0}")
        page = server.scrape()
        self.assertEqual(page.total("old"), 2000)
        self.assertEqual(page.get("old", overflow="true"), 1800)
        self.assertEqual(page.get("t_count", overflow="true"), 900)
        self.assertEqual(page.get("statsd_exporter_events_error_total", reason="series_limit"), 900)
        self.assertEqual(page.get("bacowr_statsd_folded_events_total", limit="series"), 1800)
        self.near(page.get("bacowr_statsd_overflow_label_values", metric_name="old", label="user"),
                  900)
        found = self.document(server)
        self.assertEqual((found["series"], found["overflow_series"]), (100, 2))
        self.assertEqual(found["limits"]["series"], 100)
        self.assertEqual(found["refused_events"]["series"], 900)
        self.assertEqual(found["top_families"][0], {"name": "old", "type": "counter", "series": 101})
        self.near(found["top_labels"][0]["values"], 100)
        self.assertEqual({family["name"] for family in found["overflow_families"]},
                         {"old", "g", "t"})

    def test_of_a_family_and_of_a_label(self) -> None:
        server = self.start("--statsd.max-series-per-family=10", "--statsd.max-label-values=5")
        self.flood(server, 50, "a:1|c|#user:{0}\nb.{0}:1|c\nc:1|c|#one:1,k{0}:1")
        page = server.scrape()
        self.assertEqual(page.get("a", overflow="true"), 45)
        self.assertEqual(page.get("c", overflow="true"), 40)
        self.assertEqual(sum(page.total(f"b_{i}") for i in range(50)), 50)
        self.assertEqual(page.get("bacowr_statsd_folded_events_total", limit="label"), 45)
        self.assertEqual(page.get("bacowr_statsd_folded_events_total", limit="family"), 40)
        self.assertEqual(page.get("bacowr_statsd_family_series_limit"), 10)
        self.assertEqual(page.get("bacowr_statsd_label_values_limit"), 5)

    def test_document_reads_only(self) -> None:
        server = self.start()
        self.assertEqual(server.get("/api/v1/cardinality", "POST").status, 405)
        answer = server.get("/api/v1/cardinality", "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(self.document(server)["top_families"], [])

    def test_document_of_many_series_beside_scrapes(self) -> None:
        """It takes turns, in which others are answered; who leaves takes his with him."""
        server = self.start()
        self.flood(server, 20000, "m:1|c|#user:{0}")
        with server.web() as asks, server.web() as leaves:
            for connection in (asks, leaves):
                connection.sendall(b"GET /api/v1/cardinality HTTP/1.1\r\nHost: localhost\r\n\r\n")
            leaves.close()
            self.assertEqual(server.get("/-/healthy").status, 200)
            self.assertIn(b'"name":"m","type":"counter","series":20000', asks.recv(65536))
        self.near(self.document(server)["top_labels"][0]["values"], 20000)


if __name__ == "__main__":
    unittest.main()
