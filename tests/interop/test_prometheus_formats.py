# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes protobuf and OpenMetrics, families of many messages included, and then
has what the text page shows.
"""

from __future__ import annotations

import math
import re
import tempfile
import unittest
from pathlib import Path

from lib import programs
from lib.exposition import OWN_PREFIXES, Labels, Page
from lib.harness import ServerTest, free_port, wait_until

MAPPING = """
mappings:
- {match: "lat.*", observer_type: histogram, name: lat, labels: {id: "$1"},
   histogram_options: {buckets: [0.5, 1, 2, 2.5, 1000000]}}
- {match: "sum.*", observer_type: summary, name: sum, labels: {id: "$1"},
   summary_options: {quantiles: [{quantile: 0.5, error: 0.01}, {quantile: 1, error: 0.01}]}}
- {match: "much.*", observer_type: histogram, name: much, labels: {id: "$1"},
   histogram_options: {buckets: [1, 2, 3]}}
"""
N_MUCH = 3000  # some twenty slices of the page
LINES = ["hits_total:3|c", 'hits_total:4|c|#a:q"u\\o{t}e', "cost_dollars:0.12|c|#model:ü",
         "big_total:123456789|c", "level:-2.5|g", "lat.a:1500|ms", "lat.a:2000|ms", "lat.b:5000|ms",
         "sum.a:7000|ms", "sum.a:9000|ms", "twin_total:1|c", "twin:2|g",
         *["\n".join(f"much.id{i}:{i}|h" for i in range(begin, begin + 50))
           for begin in range(0, N_MUCH, 50)]]

Series = dict[tuple[str, Labels], float]


def spelled(labels: Labels) -> Labels:
    """As Prometheus has them from these formats: le and quantile are floats with a fraction."""
    return tuple((key, value + ".0" if key in ("le", "quantile") and re.fullmatch(r"-?\d+", value)
                  else value) for key, value in labels)


def sent(page: Page) -> Series:
    return {(name, spelled(labels)): value for family in page.families.values() if not family.own
            for (name, labels), value in family.samples.items()}


class FormatsTest(ServerTest):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bacowr-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def held(self, prometheus: programs.Prometheus) -> Series:
        """All that Prometheus has now from senders."""
        found: Series = {}
        for row in prometheus.query('{job="bacowr",__name__!~"up|scrape_.*"}'):
            labels = dict(row["metric"])
            name = labels.pop("__name__")
            del labels["job"], labels["instance"]
            if not name.startswith(OWN_PREFIXES):
                found[name, tuple(sorted(labels.items()))] = float(row["value"][1])
        return found

    def scrape(self, flags: list[str], features: list[str]) -> tuple[Series, Series]:
        """What a page says, and what Prometheus has of it."""
        server = self.start(*flags, mapping=MAPPING)
        server.send(*LINES)
        page = server.settle()
        self.assertEqual(page.refused(), {})
        prometheus = programs.Prometheus(self, self.folder, free_port(), server.ports.web, features)
        wait_until("Prometheus has a whole page",
                   lambda: prometheus.value("count(much_count)") == N_MUCH, 60)
        self.assertEqual(prometheus.value("min_over_time(up[1m])"), 1)
        return sent(page), self.held(prometheus)

    def same(self, found: Series, wanted: Series) -> None:
        self.assertEqual(set(found), set(wanted))
        for key, value in wanted.items():
            self.assertTrue(found[key] == value or math.isnan(found[key]) and math.isnan(value),
                            f"{key}: {found[key]}, wanted {value}")

    def test_protobuf(self) -> None:
        """Which is what Prometheus asks for with native histograms; the bounds' spelling tells that
        it got it."""
        wanted, found = self.scrape([], ["--enable-feature=native-histograms"])
        self.same(found, wanted)

    def test_openmetrics(self) -> None:
        """The same, and birth times, which are series of their own there."""
        wanted, found = self.scrape(["--web.enable-openmetrics"], [])
        births = {key for key in found if key[0].endswith("_created")}
        self.assertEqual({name for name, _ in births},
                         {f"{name}_created" for name in ("hits", "big", "lat", "sum", "much")})
        self.same({key: value for key, value in found.items() if key not in births}, wanted)


if __name__ == "__main__":
    unittest.main()
