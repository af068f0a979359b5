# SPDX-License-Identifier: Apache-2.0
"""--web.zero-first: a new counter is seen at 0 first, so that rate() sees its first increment."""

from __future__ import annotations

import time
import unittest

from lib.harness import Server, ServerTest

MAPPING = """\
mappings:
- match: z.timer
  name: z_timer
  observer_type: histogram
  histogram_options: {buckets: [1]}
- match: z.summary
  name: z_summary
  observer_type: summary
"""
LINES = "z.hits:5|c\nz.timer:500|ms|@0.5\nz.summary:2000|ms\nz.level:7|g\nz.users:a|s"
HELD = {"z_hits": 5, "z_timer_count": 2, "z_timer_sum": 1, 'z_timer_bucket{le="1"}': 2,
        'z_timer_bucket{le="+Inf"}': 2, "z_summary_count": 1, "z_summary_sum": 2}
SHOWN = {"z_level": 7, "z_users": 1, 'z_summary{quantile="0.5"}': 2}


def increase(values: list[float]) -> float:
    """What PromQL's increase() adds up, before it extrapolates: rises from sample to sample; after
    a fall, which is a restart, the whole value."""
    return sum(after - before if after >= before else after
               for before, after in zip(values, values[1:]))


class ZeroFirstTest(ServerTest):
    def scrapes(self, server: Server, seconds: float) -> list[dict[str, float]]:
        """A page each half second."""
        pages = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pages.append(server.scrape().users())
            time.sleep(0.5)  # the scraper's own pace
        return pages

    def test_zero_then_the_value(self) -> None:
        server = self.start("--web.zero-first=2s", mapping=MAPPING)
        self.scrapes(server, 1)
        server.send(LINES)
        server.settle()
        pages = self.scrapes(server, 4)
        for key, value in HELD.items():
            seen = [page[key] for page in pages]
            self.assertEqual((seen[0], seen[-1]), (0, value), key)
            self.assertEqual(seen, sorted(seen), key)
            self.assertIn(seen.count(0), (3, 4, 5), key)
            self.assertEqual(increase(seen), value, key)
        for key, value in SHOWN.items():
            self.assertEqual({page[key] for page in pages}, {value}, key)

    def test_what_comes_meanwhile_counts(self) -> None:
        """And a series that is born later is held for itself."""
        server = self.start("--web.zero-first=2s")
        seen: list[float] = []
        other: list[float] = []
        for turn in range(12):
            server.send("m.hits:1|c")
            if turn >= 6:
                server.send("m.other:1|c")
            page = server.settle().users()
            seen.append(page["m_hits"])
            other.append(page.get("m_other", -1))
            time.sleep(0.5)
        self.assertEqual((seen, seen[0], seen[-1]), (sorted(seen), 0, 12))
        self.assertEqual((increase(seen), other[6], other[-1]), (12, 0, 6))

    def test_conflicts_too(self) -> None:
        """Their counter has a series for each name, which is as new as any."""
        conflicts = "statsd_exporter_events_conflict_total"
        server = self.start("--web.zero-first=1s")
        server.send("c.x:1|c\nc.x:1|g")
        page = server.settle()
        self.assertEqual(page.total(conflicts), 0)
        self.assertEqual(page.value("statsd_exporter_lines_total"), 2)  # not new: since the start
        server.eventually("it is shown", lambda page: page.total(conflicts) == 1)

    def test_off_by_default(self) -> None:
        for flags in ((), ("--web.zero-first=0s",)):
            server = self.start(*flags)
            server.send("z.hits:5|c")
            self.assertEqual(server.settle().value("z_hits"), 5)


if __name__ == "__main__":
    unittest.main()
