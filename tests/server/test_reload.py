# SPDX-License-Identifier: Apache-2.0
"""A new mapping while serving: by SIGHUP and by HTTP, good files and bad ones."""

from __future__ import annotations

import signal
import time
import unittest

from lib.exposition import Page
from lib.harness import ServerTest, wait_until

BEFORE = "mappings:\n- match: r.*\n  name: before\n  labels: {which: $1}\n"
AFTER = "mappings:\n- match: r.*\n  name: after\n  labels: {which: $1}\n"
BROKEN = "mappings:\n- match: r.*\n  nmae: after\n"
RELOADS = "statsd_exporter_config_reloads_total"


def reloads(page: Page) -> tuple[float, float]:
    return page.value(RELOADS, outcome="success"), page.value(RELOADS, outcome="failure")


class ReloadTest(ServerTest):
    def test_a_good_file(self) -> None:
        """New lines go by the new rules; what was counted stays."""
        server = self.start(mapping=BEFORE)
        server.send("r.x:1|c")
        server.settle()
        server.write_mapping(AFTER)
        server.reload()
        server.send("r.x:2|c")
        page = server.settle()
        self.assertEqual((page.value("before", which="x"), page.value("after", which="x")), (1, 2))
        self.assertEqual(reloads(page), (1, 0))

    def test_a_broken_file_changes_nothing(self) -> None:
        """But it is counted, and the log says where it is broken."""
        server = self.start(mapping=BEFORE)
        for text in (BROKEN, "mappings: [", b"\xff\xfe", "mappings:\n- match: a..b\n  name: x\n"):
            server.write_mapping(text)
            server.reload()
            server.send("r.x:1|c")
        page = server.settle()
        self.assertEqual(page.value("before", which="x"), 4)
        self.assertEqual(reloads(page), (0, 4))
        self.assertEqual(page.value("statsd_exporter_loaded_mappings"), 1)
        self.assertIn("mapping.yml:3:3", server.log())
        server.mapping_file.unlink()
        server.reload()
        server.write_mapping(AFTER)
        server.reload()
        server.send("r.x:1|c")
        self.assertEqual(server.settle().value("after", which="x"), 1)

    def test_by_http(self) -> None:
        server = self.start("--web.enable-lifecycle", mapping=BEFORE)
        server.write_mapping(AFTER)
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        server.write_mapping(BROKEN)
        answer = server.get("/-/reload", "PUT")
        self.assertEqual(answer.status, 500)
        self.assertIn(b"mapping.yml:3:3", answer.body)
        self.assertEqual(reloads(server.scrape()), (1, 1))

    def test_the_outcome_is_on_the_page(self) -> None:
        """Did the last one succeed, and when did one last."""
        good = "bacowr_statsd_config_last_reload_successful"
        when = "bacowr_statsd_config_last_reload_success_timestamp_seconds"
        server = self.start(mapping=BEFORE)
        page = server.scrape()
        began = page.value(when)
        self.assertEqual(page.value(good), 1)
        self.assertLess(abs(began - time.time()), 60)
        server.write_mapping(BROKEN)
        server.reload()
        page = server.scrape()
        self.assertEqual((page.value(good), page.value(when)), (0, began))
        server.write_mapping(AFTER)
        server.reload()
        page = server.scrape()
        self.assertEqual(page.value(good), 1)
        self.assertGreater(page.value(when), began)

    def test_a_ttl_reaches_idle_series(self) -> None:
        """Without a further sample; another rule's series stay, and so do all when it is gone. One
        that had none gets it with its next sample."""
        rules = "mappings:\n- match: r.*\n  name: r\n  labels: {which: $1}\n%s- match: s\n  name: s\n"
        server = self.start(mapping=rules % "  ttl: 1h\n")
        server.send("r.x:1|c\nr.y:1|c\ns:1|c")
        server.settle()
        server.write_mapping(rules % "  ttl: 1s\n")
        server.reload()
        wait_until("x has expired", lambda: "r" not in server.scrape().families, 20)
        self.assertEqual(server.scrape().value("s"), 1)
        server.send("r.x:1|c")
        server.settle()
        server.write_mapping(rules % "")
        server.reload()
        swept = "bacowr_statsd_reload_workers_behind"
        wait_until("all know it", lambda: server.scrape().value(swept) == 0)
        time.sleep(1.5)
        self.assertEqual(server.scrape().value("r", which="x"), 1)

    def test_buckets_reach_idle_series(self) -> None:
        """The family that they concern, with what it counted; the other one is left alone."""
        rule = (
            "- match: %s\n  name: %s\n  observer_type: histogram\n"
            "  histogram_options: {buckets: [%s]}\n"
        )
        before = "mappings:\n" + rule % ("a", "a", "1, 5") + rule % ("b", "b", "1, 5")
        after = "mappings:\n" + rule % ("a", "a", "2, 5, 10") + rule % ("b", "b", "1, 5")
        rebuilt = "bacowr_statsd_series_rebuilt_total"
        server = self.start("--web.enable-lifecycle", mapping=before)
        server.send("a:0.5|h\na:3|h\na:7|h\nb:3|h")
        server.settle()
        server.write_mapping(BROKEN)
        self.assertEqual(server.get("/-/reload", "POST").status, 500)
        server.write_mapping(after)
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        wait_until("it is rebuilt", lambda: server.scrape().value(rebuilt) == 1)
        page = server.scrape()
        shown = [page.value("a_bucket", le=le) for le in ("2", "5", "10", "+Inf")]
        self.assertEqual(shown, [1, 2, 2, 3])
        self.assertEqual((page.value("a_count"), page.value("a_sum")), (3, 10.5))
        self.assertEqual([page.value("b_bucket", le=le) for le in ("1", "5")], [0, 1])
        server.send("a:7|h")
        page = server.settle()
        self.assertEqual((page.value("a_bucket", le="10"), page.value("a_count")), (3, 4))

    def test_an_observer_changes_its_type(self) -> None:
        """There and back: one family, nothing refused, count and sum go on."""
        mapping = "defaults: {observer_type: %s}\n"
        server = self.start("--web.enable-lifecycle", mapping=mapping % "summary")
        server.send("a:1|h\na:2|h")
        server.settle()
        for n, kind in ((1, "histogram"), (2, "summary")):
            server.write_mapping(mapping % kind)
            self.assertEqual(server.get("/-/reload", "POST").status, 200)
            wait_until("it has moved", lambda: server.scrape().value(
                "bacowr_statsd_series_rebuilt_total") == n)
            server.send("a:3|h")
            page = server.settle()
            self.assertEqual(page.refused(), {})
            self.assertEqual(page.families["a"].type, kind)
            self.assertEqual((page.value("a_count"), page.value("a_sum")), (2 + n, 3 + 3 * n))

    def test_without_a_file(self) -> None:
        """There is nothing to reload, which is no failure."""
        server = self.start()
        server.signal(signal.SIGHUP)
        wait_until("the log says so", lambda: "reload_ignored" in server.log())
        server.send("a:1|c")
        self.assertEqual(server.settle().value("a"), 1)

    def test_many_at_once(self) -> None:
        server = self.start(mapping=BEFORE)
        for i in range(100):
            server.write_mapping(AFTER if i % 2 else BEFORE)
            server.signal(signal.SIGHUP)
            server.send("r.x:1|c")
        page = server.settle()
        self.assertEqual(page.total("before") + page.total("after"), 100)

    def test_the_drop_action_comes_and_goes(self) -> None:
        """A name that was dropped counts again under rules that do not drop it."""
        drop = "mappings:\n- match: r.*\n  name: unused\n  action: drop\n"
        server = self.start(mapping=drop)
        server.send("r.x:1|c")
        self.assertEqual(server.settle().users(), {})
        server.write_mapping(BEFORE)
        server.reload()
        server.send("r.x:1|c")
        self.assertEqual(server.settle().value("before", which="x"), 1)


if __name__ == "__main__":
    unittest.main()
