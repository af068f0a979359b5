# SPDX-License-Identifier: Apache-2.0
"""The server's account of itself: exact, complete from the first page on, under known names."""

from __future__ import annotations

import http.client
import json
import re
import resource
import socket
import time
import unittest

from lib.harness import HOST, ROOT, ServerTest, free_port

NO_PORT = "bacowr_statsd_host_udp_no_port_datagrams_total"

MAPPING = """
mappings:
- match: mapped.*
  name: mapped
- match: dropped.*
  name: unused
  action: drop
"""

KNOWN = """
    statsd_exporter_build_info statsd_exporter_config_reloads_total
    statsd_exporter_events_actions_total statsd_exporter_events_conflict_total
    statsd_exporter_events_error_total statsd_exporter_events_total
    statsd_exporter_events_unmapped_total statsd_exporter_lines_total
    statsd_exporter_loaded_mappings statsd_exporter_metrics_total
    statsd_exporter_sample_errors_total statsd_exporter_samples_total
    statsd_exporter_tag_errors_total statsd_exporter_tags_total
    statsd_exporter_tcp_connection_errors_total statsd_exporter_tcp_connections_total
    statsd_exporter_tcp_too_long_lines_total statsd_exporter_udp_packets_total
    statsd_exporter_udp_packet_drops_total statsd_exporter_unixgram_packets_total
    statsd_metric_mapper_cache_gets_total statsd_metric_mapper_cache_hits_total
    statsd_metric_mapper_cache_length process_cpu_seconds_total process_open_fds
    process_resident_memory_bytes process_start_time_seconds promhttp_metric_handler_requests_total
""".split()

REFUSED = {
    "nocolon": "malformed_line",
    "a,b=c:1|c|#d:e": "mixed_tagging_styles",
    "a:1": "not_enough_parts_after_colon",
    "a:1:2|c": "invalid_extended_aggregate_type",
    "a:1|c||": "malformed_component",
    "a:x|c": "malformed_value",
    "a:1|c|x": "invalid_sample_factor",
    "a:1|c|#k:v|c:": "malformed_container_id",
    "a:1|x": "illegal_event",
    "#k=v:1|c": "empty_metric_name",
    "_e{1,1}:a|b": "dogstatsd_event",
    "_sc|a|0": "dogstatsd_service_check",
}


# A row of docs/metrics.md: the metric, its type, its labels with their values, its help.
ROW = re.compile(r"^\| `((?:statsd|bacowr|process|promhttp)_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


class DocumentTest(ServerTest):
    def test_every_metric_is_told_of(self) -> None:
        """With its type, its help, its labels and their values; and no other."""
        server = self.start("--statsd.relay.address=127.0.0.1:9", "--statsd.max-label-values=1")
        server.send("many:1|c|#user:a", "many:1|c|#user:b", "many:1|g")
        own = {family.name: family for family in server.settle().families.values() if family.own}
        rows = ROW.findall((ROOT / "docs" / "metrics.md").read_text())
        told = {name: (kind, labels, help) for name, kind, labels, help in rows}
        self.assertEqual(len(told), len(rows))
        self.assertEqual(set(own), set(told))
        for name, (kind, text, help) in told.items():
            family = own[name]
            self.assertEqual((family.type, family.help), (kind, help.replace("\\|", "|")), name)
            labels = {key for _, pairs in family.samples for key, _ in pairs}
            parts = [re.findall(r"`([^`]*)`", part) for part in text.split("; ")] if text else []
            self.assertEqual(labels, {key for key, *_ in parts}, name)
            for key, *values in parts:
                seen = {value for _, pairs in family.samples for k, value in pairs if k == key}
                self.assertTrue(not values or seen == set(values), f"{name}: {key} is {seen}")


class SelfTest(ServerTest):
    def test_names_that_dashboards_know(self) -> None:
        """All but the ones that name a metric are there before anything was sent."""
        families = self.start().scrape().families
        late = {"statsd_exporter_events_conflict_total"}
        self.assertEqual([name for name in KNOWN if name not in families and name not in late], [])

    def test_datagrams_for_nobody(self) -> None:
        """The kernel's count of the machine, from the start of the server on: ours, and others'."""
        nobody = free_port()
        self.send_to(nobody, HOST, 3)
        server = self.start()
        self.send_to(nobody, HOST, 7)
        self.send_to(nobody, "::1", 5)
        told = json.loads(server.get("/api/v1/status").body)["udp_no_port_datagrams"]
        self.assertGreaterEqual(told, 12)
        self.assertLessEqual(told, self.ever() - 3)
        self.assertGreaterEqual(server.scrape().value(NO_PORT), told)

    def test_datagrams_for_nobody_never_fall(self) -> None:
        """Not even while the kernel cannot be asked, for want of descriptors."""
        server = self.start()
        self.send_to(free_port(), HOST, 7)
        connection = http.client.HTTPConnection(HOST, server.ports.web, timeout=10)
        self.addCleanup(connection.close)

        def told() -> int:
            connection.request("GET", "/api/v1/status")
            return int(json.loads(connection.getresponse().read())["udp_no_port_datagrams"])

        before = told()
        self.assertGreaterEqual(before, 7)
        limit = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
        during = told()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limit)
        self.assertGreaterEqual(during, before)
        self.assertLessEqual(during, self.ever())

    def send_to(self, port: int, host: str, n: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            for _ in range(n):
                udp.sendto(b"a:1|c", (host, port))

    def ever(self) -> int:
        """Since the machine began."""
        with open("/proc/net/snmp", encoding="ascii") as file:
            names, numbers = [line.split() for line in file if line.startswith("Udp: ")]
        with open("/proc/net/snmp6", encoding="ascii") as file:
            (number,) = [line.split()[1] for line in file if line.startswith("Udp6NoPorts")]
        return int(numbers[names.index("NoPorts")]) + int(number)

    def test_every_line_is_accounted_for(self) -> None:
        server = self.start(mapping=MAPPING)
        server.send("mapped.a:1|c", "free:1|g|#a:b,bad", "free:2|ms\nfree.t:3|ms\n",
                    "dropped.x:1|c", "neg:-1|c", "packed:1:2:3|ms|@0.5", "unique:a|s")
        page = server.settle()
        expected = {
            "udp_packets_total": 7, "lines_total": 9, "samples_total": 10, "tags_total": 1,
            "tag_errors_total": 1,
        }
        self.assertEqual({name: page.value(f"statsd_exporter_{name}") for name in expected},
                         expected)
        events = {kind: page.get("statsd_exporter_events_total", type=kind)
                  for kind in ("counter", "gauge", "observer", "set")}
        self.assertEqual(events, {"counter": 1, "gauge": 1, "observer": 7, "set": 1})
        actions = {action: page.get("statsd_exporter_events_actions_total", action=action)
                   for action in ("map", "drop")}
        self.assertEqual(actions, {"map": 1, "drop": 1})
        self.assertEqual(page.value("statsd_exporter_events_error_total",
                                    reason="illegal_negative_counter"), 1)
        self.assertEqual(page.value("statsd_exporter_events_conflict_total",
                                    type="observer", metric_name="free"), 1)
        self.assertEqual(page.value("statsd_exporter_loaded_mappings"), 2)

    def test_every_reason_is_counted(self) -> None:
        server = self.start()
        for n, line in enumerate(REFUSED, 1):
            server.send(*[line] * n)
        page = server.settle()
        wanted = {reason: n for n, reason in enumerate(REFUSED.values(), 1)}
        self.assertEqual(page.refused(), wanted)
        self.assertEqual(page.users(), {})

    def test_series_alive_born_and_expired(self) -> None:
        mapping = "mappings:\n- {match: s.*, name: s, ttl: 1s, labels: {number: $1}}\n"
        server = self.start(mapping=mapping)
        server.send("s.a:1|c", "s.b:1|c", "other:1|g")
        page = server.settle()
        self.assertEqual(page.total("bacowr_statsd_series", type="counter"), 2)
        self.assertEqual(page.total("bacowr_statsd_series", type="gauge"), 1)
        self.assertEqual(page.total("bacowr_statsd_series_born_total"), 3)
        page = server.eventually("two expire",
                                 lambda p: p.total("bacowr_statsd_series_expired_total") == 2)
        self.assertEqual(page.total("bacowr_statsd_series", type="counter"), 0)

    def test_the_limit_of_series_is_told(self) -> None:
        page = self.start("--statsd.max-series=123").scrape()
        self.assertEqual(page.value("bacowr_statsd_series_limit"), 123)

    def test_the_last_scrape_is_measured(self) -> None:
        server = self.start()
        size = len(server.get("/metrics").body)
        page = server.scrape()
        self.assertEqual(page.value("bacowr_statsd_last_scrape_size_bytes"), size)
        self.assertGreater(page.value("bacowr_statsd_last_scrape_duration_seconds"), 0)
        self.assertEqual(page.value("promhttp_metric_handler_requests_total", code="200"), 1)

    def test_process_metrics(self) -> None:
        server = self.start()
        page = server.scrape()
        self.assertLess(abs(page.value("process_start_time_seconds") - time.time()), 60)
        self.assertGreater(page.value("process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(page.value("process_open_fds"), 5)


if __name__ == "__main__":
    unittest.main()
