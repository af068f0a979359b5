# SPDX-License-Identifier: Apache-2.0
"""The mapping at work in the running server, in what needs time or the whole page."""

from __future__ import annotations

import time
import unittest

from lib.harness import ROOT, ServerTest

TTL = """
mappings:
- match: short.*
  name: short
  ttl: 1s
  labels: {which: "$1"}
- match: lasting.*
  name: lasting
  labels: {which: "$1"}
"""

HISTOGRAM = """
mappings:
- match: took.*
  name: took_seconds
  help: How long it took.
  observer_type: histogram
  histogram_options: {buckets: [0.1, 1, 2]}
  labels: {job: "$1"}
"""

MIXED = """
mappings:
- match: db.pre_*.*_total
  name: "db_${1}_$2"
- match: db.*.*
  name: db
  labels: {host: "$1", what: "$2"}
"""


class MixedTest(ServerTest):
    def test_text_and_star_in_one_segment(self) -> None:
        server = self.start(mapping=MIXED)
        server.send("db.pre_a.b_total:1|c", "db.pre_.x_total_total:2|c", "db.pre.b_total:4|c")
        page = server.settle()
        self.assertEqual(page.value("db_a_b"), 1)
        self.assertEqual(page.value("db__x_total"), 2)
        self.assertEqual(page.value("db", host="pre", what="b_total"), 4)


# Every key that says what becomes of names, tags and values, beside those above.
SETTINGS = """
defaults:
  ttl: 1s
  unit: us
  gauge_mode: absolute
  match_order: file
  unmapped: drop
  labels: {site: fra1}
  drop_labels: [pod]
  set_options: {window: 10s, error: 0.02}
mappings:
- match: took.*
  except: took.health
  match_labels: {canary: ''}
  name: took_seconds
  ttl: 0
  rename_labels: {h: host}
  labels: {job: "$1"}
- match: ^depth$
  match_type: regex
  name: depth
- match: kept
  name: kept_total
  keep_labels: [env]
"""


class TtlTest(ServerTest):
    def test_a_dead_sender_does_not_show_its_last_value_for_ever(self) -> None:
        """And one that comes back begins anew."""
        server = self.start(mapping=TTL)
        server.send("short.a:5|g", "short.c:1|c", "lasting.a:5|g")
        page = server.settle()
        self.assertEqual(page.value("short", which="a"), 5)
        begin = time.monotonic()
        page = server.eventually("the series expires", lambda p: p.total("short") == 0)
        self.assertGreater(time.monotonic() - begin, 0.5)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(page.value("lasting", which="a"), 5)
        server.send("short.a:+1|g")
        self.assertEqual(server.settle().value("short", which="a"), 1)

    def test_a_sender_that_goes_on_stays(self) -> None:
        server = self.start(mapping=TTL)
        for value in range(25):
            server.send(f"short.a:{value}|g")
            time.sleep(0.1)
            self.assertEqual(server.settle().value("short", which="a"), value)


class HistogramTest(ServerTest):
    def test_bounds_are_inclusive_and_cumulative(self) -> None:
        server = self.start(mapping=HISTOGRAM)
        server.send(*(f"took.x:{ms}|ms" for ms in (100, 101, 1000, 2000, 2001)))
        page = server.settle()
        family = page.families["took_seconds"]
        self.assertEqual((family.type, family.help), ("histogram", "How long it took."))
        buckets = [page.value("took_seconds_bucket", job="x", le=le)
                   for le in ("0.1", "1", "2", "+Inf")]
        self.assertEqual(buckets, [1, 3, 4, 5])
        self.assertEqual(page.value("took_seconds_count", job="x"), 5)
        self.assertAlmostEqual(page.value("took_seconds_sum", job="x"), 5.202)


class SettingsTest(ServerTest):
    def test_they_work_together(self) -> None:
        server = self.start(mapping=SETTINGS)
        server.send("took.x:1500000|ms|#pod:1,h:a", "took.x:500000|h|#pod:2,h:a",
                    "kept:1|c|#env:p,h:a", "depth:-3|g",
                    "stray:1|c", "stray:2|g", "took.health:5|h", "took.x:5|h|#canary:1,h:a")
        page = server.settle()
        self.assertEqual(page.value("took_seconds_sum", job="x", host="a", site="fra1"), 2)
        self.assertEqual(page.value("took_seconds_count", job="x", host="a", site="fra1"), 2)
        self.assertEqual(page.value("kept_total", env="p", site="fra1"), 1)
        self.assertEqual(page.value("depth", site="fra1"), -3)
        self.assertNotIn("stray", page.families)
        self.assertEqual(page.value("statsd_exporter_events_unmapped_total"), 4)
        self.assertEqual(page.value("statsd_exporter_events_actions_total", action="drop"), 4)
        page = server.eventually("the defaults' ttl passes", lambda p: p.total("kept_total") == 0)
        self.assertEqual(page.value("took_seconds_count", job="x", host="a", site="fra1"), 2)


class ExampleTest(ServerTest):
    def test_the_shipped_files_load_and_serve(self) -> None:
        for name in ("bacowr.yml", "example.yml"):
            with self.subTest(name):
                server = self.start(mapping=(ROOT / "conf" / name).read_bytes())
                server.send("anything.at.all:1|c")
                self.assertGreater(server.settle().value("statsd_exporter_loaded_mappings"), 0)


if __name__ == "__main__":
    unittest.main()
