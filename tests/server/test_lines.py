# SPDX-License-Identifier: Apache-2.0
"""From datagrams to values: what the recorded scenarios do not cover, or where we differ."""

from __future__ import annotations

import socket
import unittest

from lib.harness import HOST, ServerTest

SUMMARY = """
mappings:
- match: lat.*
  name: lat
  observer_type: summary
  summary_options:
    quantiles:
    - {quantile: 0, error: 0}
    - {quantile: 0.5, error: 0.01}
    - {quantile: 0.99, error: 0.001}
    - {quantile: 1, error: 0}
"""


class LinesTest(ServerTest):
    def test_every_type(self) -> None:
        server = self.start()
        server.send("c:2|c\ng:3|g\nms:250|ms\nh:1.5|h\nd:2.5|d\ns:a|s\n")
        page = server.settle()
        self.assertEqual([page.value(name) for name in ("c", "g", "s")], [2, 3, 1])
        for name, total in (("ms", 0.25), ("h", 1.5), ("d", 2.5)):
            self.assertEqual((page.value(f"{name}_sum"), page.value(f"{name}_count")), (total, 1))
        kinds = {name: page.families[name].type for name in ("c", "g", "ms", "h", "d", "s")}
        self.assertEqual(kinds, {"c": "counter", "g": "gauge", "ms": "summary", "h": "summary",
                                 "d": "summary", "s": "gauge"})

    def test_cr_before_lf_is_stripped(self) -> None:
        """On every transport; a CR elsewhere is an ordinary, if unlucky, byte."""
        server = self.start()
        server.send("a:1|c\r\nb:2|g|#k:v\r\n", "a:1|c\r\n", "lost:1|c\r")
        page = server.settle()
        self.assertEqual((page.value("a"), page.value("b", k="v")), (2, 2))
        self.assertEqual(page.refused(), {"illegal_event": 1})
        server.stream("a:1|c\r\nb:5|g|#k:v\r\n")
        page = server.eventually("the stream's lines", lambda p: p.value("a") == 3)
        self.assertEqual(page.value("b", k="v"), 5)

    def test_zero_length_datagrams(self) -> None:
        """Normal, and not the end of the batch they arrive in."""
        server = self.start()
        server.send(*(["", "z:1|c", ""] * 30))
        page = server.settle()
        self.assertEqual(page.value("z"), 30)
        self.assertEqual(page.value("statsd_exporter_udp_packets_total"), 90)
        self.assertEqual(page.refused(), {})

    def test_the_largest_datagram(self) -> None:
        """65 507 bytes: all that UDP over IPv4 carries."""
        server = self.start()
        lines = b"".join(b"big:1|c|#n:%03d\n" % (i % 1000) for i in range(4000))
        server.send(lines + b"\n" * (65507 - len(lines) - len(b"last:1|c")) + b"last:1|c")
        page = server.settle()
        self.assertEqual(page.total("big"), 4000)
        self.assertEqual(page.value("last"), 1)

    def test_sets(self) -> None:
        """Distinct members, whatever they look like and however often they come."""
        server = self.start()
        members = ["1", "1.0", "01", "a b", "a:b", "é", "-", "1", "a b", "x" * 500]
        server.send(*[f"visitors:{member}|s" for member in members])
        server.send("visitors:other|s|#site:b", "visitors:other|s|#site:b")
        page = server.settle()
        self.assertEqual(page.value("visitors"), 8)
        self.assertEqual(page.value("visitors", site="b"), 1)

    def test_a_large_set_is_within_its_error(self) -> None:
        server = self.start()
        for start in range(0, 20000, 50):
            server.send("\n".join(f"users:u{i}|s" for i in range(start, start + 50)))
            if start % 2000 == 0:
                server.settle()
        self.assertAlmostEqual(server.settle().value("users") / 20000, 1, delta=0.05)

    def test_summaries(self) -> None:
        """Exact at both ends, within the stated error between them."""
        server = self.start(mapping=SUMMARY)
        for i in range(1, 1001):
            server.send(f"lat.a:{i}|h")
            if i % 100 == 0:
                server.settle()
        page = server.settle()
        self.assertEqual(page.value("lat", quantile="0"), 1)
        self.assertEqual(page.value("lat", quantile="1"), 1000)
        self.assertAlmostEqual(page.value("lat", quantile="0.5"), 500, delta=15)
        self.assertAlmostEqual(page.value("lat", quantile="0.99"), 990, delta=25)
        self.assertEqual((page.value("lat_sum"), page.value("lat_count")), (500500, 1000))

    def test_sample_rates(self) -> None:
        """Right for each type, and at no cost however small they are."""
        server = self.start()
        server.send("c:1|c|@1e-9", "ms:1000|ms|@1e-9", "h:2|h|@0.000001", "d:2|d|@0.5",
                    "g:5|g|@0.1", "s:x|s|@0.1")
        page = server.settle()
        self.assertAlmostEqual(page.value("c") / 1e9, 1)
        self.assertAlmostEqual(page.value("ms_count") / 1e9, 1, places=6)
        self.assertAlmostEqual(page.value("ms_sum") / 1e9, 1, places=6)
        self.assertAlmostEqual(page.value("h_count") / 1e6, 1, places=5)
        self.assertEqual((page.value("d_count"), page.value("d_sum")), (2, 4))
        self.assertEqual((page.value("g"), page.value("s")), (5, 1))

    def test_gauges_move_both_ways(self) -> None:
        server = self.start()
        server.send("g:333|g", "g:-10|g", "g:+4|g", "fresh:-5|g")
        page = server.settle()
        self.assertEqual((page.value("g"), page.value("fresh")), (327, -5))

    def test_a_container_id_needs_no_tags(self) -> None:
        server = self.start()
        server.send("box:1|c|c:ci-abc", "box:1|c|#k:v|c:sha256:ab")
        page = server.settle()
        self.assertEqual(page.value("box", container_id="ci-abc"), 1)
        self.assertEqual(page.value("box", container_id="sha256:ab", k="v"), 1)

    def test_containers_can_be_left_out(self) -> None:
        """A thousand containers are one series then, and nothing is refused for them."""
        server = self.start("--no-statsd.container-id-label")
        server.send(*("\n".join(f"box:1|c|#k:v|c:ci-{i}" for i in range(start, start + 100))
                      for start in range(0, 1000, 100)))
        page = server.settle()
        self.assertEqual(page.value("box", k="v"), 1000)
        self.assertEqual(page.value("bacowr_statsd_series", type="counter"), 1)
        self.assertEqual(page.refused(), {})

    def test_fields_of_later_versions(self) -> None:
        server = self.start()
        server.send("a:1|c|#k:v|new:x", "a:1|c|card:low|#k:v|also-new:a:b", "a:1|c|#k:v")
        page = server.settle()
        self.assertEqual(page.value("a", k="v"), 3)
        self.assertEqual(page.value("bacowr_statsd_unknown_fields_total"), 2)
        self.assertEqual(page.refused(), {})

    def test_tags_without_values(self) -> None:
        lines = ("a:1|c|#canary,k:v", "a,canary,k=v:1|c")
        for word, labels, errors in (("error", {"k": "v"}, 2), ("ignore", {"k": "v"}, 0),
                                     ("true", {"k": "v", "canary": "true"}, 0),
                                     ("empty", {"k": "v", "canary": ""}, 0)):
            with self.subTest(word):
                server = self.start(f"--statsd.valueless-tags={word}")
                server.send(*lines)
                page = server.settle()
                self.assertEqual(page.value("a", **labels), 2)
                self.assertEqual(page.value("statsd_exporter_tag_errors_total"), errors)

    def test_service_checks_as_gauges(self) -> None:
        check = "_sc|db.up|2|d:1700000000|h:web1|#env:prod|m:no answer: 1|c"
        server = self.start()
        server.send(check)
        page = server.settle()
        self.assertEqual(page.value("bacowr_statsd_dogstatsd_service_checks_total"), 1)
        self.assertNotIn("db_up_status", page.families)
        server = self.start("--statsd.service-checks=gauge")
        server.send(check, "_sc|db.up|9")
        page = server.settle()
        self.assertEqual(page.value("db_up_status", env="prod", host="web1"), 2)
        self.assertEqual(page.value("bacowr_statsd_dogstatsd_service_checks_total"), 2)
        self.assertEqual(page.refused()["malformed_service_check"], 1)

    def test_gauge_modes(self) -> None:
        for mode, value in (("delta", 7), ("absolute", -3), ("etsy", 7)):
            with self.subTest(mode):
                server = self.start(f"--statsd.gauge-mode={mode}")
                server.send("g:10|g", "g:-3|g")
                self.assertEqual(server.settle().value("g"), value)

    def test_tags_for_exemplars_make_no_series(self) -> None:
        server = self.start("--statsd.exemplar-tag=trace_id", "--statsd.exemplar-tag=span_id")
        server.send(*(f"lat:{i}|h|#trace.id:{i},k:v,span_id:{i}" for i in range(50)), "lat:1|h|#k:v")
        page = server.settle()
        self.assertEqual(page.value("lat_count", k="v"), 51)
        self.assertEqual(page.value("bacowr_statsd_exemplars_total"), 50)
        self.assertEqual(page.value("bacowr_statsd_exemplars_dropped_total"), 0)

    def test_tag_dialects_can_be_switched(self) -> None:
        """Off is ordinary text in the name; Graphite's must be asked for."""
        lines = ("a:1|c|#k:v", "b,k=v:1|c", "c#k=v:1|c", "d[k=v]:1|c", "e;k=v:1|c")
        server = self.start("--statsd.parse-graphite-tags")
        server.send(*lines)
        page = server.settle()
        self.assertEqual([page.value(name, k="v") for name in "abcde"], [1] * 5)
        server = self.start(*(f"--no-statsd.parse-{dialect}-tags" for dialect in
                              ("dogstatsd", "influxdb", "librato", "signalfx")))
        server.send(*lines)
        page = server.settle()
        names = ("a", "b_k_v", "c_k_v", "d_k_v_", "e_k_v")
        self.assertEqual([page.value(name) for name in names], [1] * 5)


class SourcesTest(ServerTest):
    def test_many_senders(self) -> None:
        """Nothing depends on who sends."""
        server = self.start()
        for i in range(200):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"m:1|c", (HOST, server.ports.udp))
                server.sent_datagrams += 1
        self.assertEqual(server.settle().value("m"), 200)


if __name__ == "__main__":
    unittest.main()
