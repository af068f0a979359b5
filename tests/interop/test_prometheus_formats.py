# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes protobuf and OpenMetrics, families of many messages included, and then
has what the text page shows; and native buckets, and answers from them what was sent; and
exemplars.
"""

from __future__ import annotations

import math
import re
import time
import unittest
from typing import Any

from lib import programs
from lib.exposition import OWN_PREFIXES, Labels, Page
from lib.harness import FolderTest, ServerTest, free_port, wait_until

# Of a histogram with native buckets Prometheus keeps these and no others.
MAPPING = """
defaults: {histogram_options: {native_histogram_bucket_factor: 1}}
mappings:
- {match: "lat.*", observer_type: histogram, name: lat, labels: {id: "$1"},
   histogram_options: {buckets: [0.5, 1, 2, 2.5, 1000000]}}
- {match: "sum.*", observer_type: summary, name: sum, labels: {id: "$1"},
   summary_options: {quantiles: [{quantile: 0.5, error: 0.01}, {quantile: 1, error: 0.01}]}}
- {match: "much.*", observer_type: histogram, name: much, labels: {id: "$1"},
   histogram_options: {buckets: [1, 2, 3]}}
"""
NATIVE_MAPPING = """
mappings:
- {match: "lat.*", observer_type: histogram, name: lat, labels: {id: "$1"}}
- {match: "few.*", observer_type: histogram, name: few, labels: {id: "$1"},
   histogram_options: {native_histogram_max_buckets: 8}}
"""
NATIVE = ["--enable-feature=native-histograms"]
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


class FormatsTest(ServerTest, FolderTest):
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
        wanted, found = self.scrape([], NATIVE)
        self.same(found, wanted)

    def test_openmetrics(self) -> None:
        """The same, and birth times, which are series of their own there."""
        wanted, found = self.scrape(["--web.enable-openmetrics"], [])
        births = {key for key in found if key[0].endswith("_created")}
        self.assertEqual({name for name, _ in births},
                         {f"{name}_created" for name in ("hits", "big", "lat", "sum", "much")})
        self.same({key: value for key, value in found.items() if key not in births}, wanted)


class ExemplarsTest(FormatsTest):
    LINES = ["hits_total:3|c|#trace_id:c1", "lat.a:1500|ms|#trace_id:l1", "lat.a:1|ms",
             "lat.a:5e12|ms|#trace_id:l2"]

    def keep(self, flags: list[str], features: str) -> programs.Prometheus:
        server = self.start("--statsd.exemplar-tag=trace_id", *flags, mapping=MAPPING)
        server.send(*self.LINES, *(f"hits_total:1|c|#trace_id:c{n}" for n in range(2, 30)))
        page = server.settle()
        self.assertEqual(page.value("hits_total"), 31)
        prometheus = programs.Prometheus(self, self.folder, free_port(), server.ports.web,
                                         [f"--enable-feature=exemplar-storage{features}"])
        wait_until("Prometheus has the counter", lambda: prometheus.value("hits_total") == 31, 60)
        wait_until("Prometheus has exemplars", lambda: prometheus.exemplars("hits_total"), 60)
        self.assertEqual(prometheus.value("min_over_time(up[1m])"), 1)
        self.check("c29", 1, prometheus.exemplars("hits_total")["hits_total"])
        return prometheus

    def check(self, trace: str, value: float, found: list[dict[str, Any]]) -> None:
        self.assertEqual([(e["labels"], float(e["value"])) for e in found],
                         [({"trace_id": trace}, value)])
        self.assertLess(abs(found[0]["timestamp"] - time.time()), 60)

    def test_openmetrics(self) -> None:
        prometheus = self.keep(["--web.enable-openmetrics"], "")
        found = prometheus.exemplars("lat_bucket")
        self.assertEqual(set(found), {"2.0", "+Inf"})
        self.check("l1", 1.5, found["2.0"])
        self.check("l2", 5e9, found["+Inf"])

    def test_protobuf(self) -> None:
        """Which is what Prometheus asks for with native histograms."""
        prometheus = self.keep([], ",native-histograms")
        found = prometheus.exemplars("lat_bucket")
        self.assertEqual(set(found), {"2.0", "+Inf"})
        self.check("l1", 1.5, found["2.0"])
        self.check("l2", 5e9, found["+Inf"])

    def test_native_histograms(self) -> None:
        """They are one series: it has the exemplars of its buckets."""
        server = self.start("--statsd.exemplar-tag=trace_id", mapping=NATIVE_MAPPING)
        server.send("lat.a:1500|ms|#trace_id:l1", "lat.a:5e12|ms|#trace_id:l1")
        server.settle()
        prometheus = programs.Prometheus(
            self, self.folder, free_port(), server.ports.web,
            ["--enable-feature=exemplar-storage,native-histograms"])
        wait_until("Prometheus has exemplars", lambda: prometheus.exemplars("lat"), 60)
        self.assertEqual({e["labels"]["trace_id"] for e in prometheus.exemplars("lat")["lat"]},
                         {"l1"})
        self.assertEqual(prometheus.value('histogram_count(lat{id="a"})'), 2)


class NativeTest(FormatsTest):
    def send(self, names: list[str], values: list[float]) -> None:
        self.server.send(*(f"{name}:{value}|h" for name in names for value in values))

    def wait(self, names: list[str], count: int) -> None:
        for name in names:
            family, _, key = name.partition(".")
            wait_until(f"Prometheus has all of {name}", lambda: self.prometheus.value(
                f'histogram_count({family}{{id="{key}"}})') == count, 60)

    def test_counts_sums_and_quantiles(self) -> None:
        """Two rounds, the second of them wider: resolution is halved, and rates go on over it."""
        self.server = self.start("--statsd.ingest-threads=2", mapping=NATIVE_MAPPING)
        self.prometheus = programs.Prometheus(self, self.folder, free_port(),
                                              self.server.ports.web, NATIVE)
        names = ["lat.a", "lat.b", "few.a"]
        first = [1 + n / 50 for n in range(200)]
        second = [10 ** (n / 100) for n in range(400)] + [-5, 0]
        self.send(names, first)
        self.send(["lat.edge"], [0, 2.0 ** -128, math.inf])
        self.server.settle()
        self.wait(names, len(first))
        self.send(names, second)
        self.server.settle()
        self.wait(names, len(first) + len(second))
        for selector in ('lat{id="a"}', 'lat{id="b"}', 'few{id="a"}'):
            self.assertAlmostEqual(self.prometheus.value(f"histogram_sum({selector})"),
                                   sum(first) + sum(second), places=6)
            self.quantile(selector, first + second, 0.1 if selector[0] == "l" else 4)
            self.quantile(f"rate({selector}[1m])", second, 0.1 if selector[0] == "l" else 4)
        self.assertEqual(self.prometheus.value('histogram_count(lat{id="edge"})'), 3)
        self.assertEqual(self.prometheus.value('histogram_fraction(-1, 1, lat{id="edge"})'), 2 / 3)
        self.assertEqual(self.prometheus.query('{__name__=~"(lat|few)_.*"}'), [])
        self.assertEqual(self.prometheus.value("min_over_time(up[1m])"), 1)
        self.assertEqual(self.prometheus.value("count(count_over_time(lat[1m]) > 0)"), 3)

    def quantile(self, series: str, values: list[float], tolerance: float) -> None:
        for q in (0.3, 0.5, 0.9):
            wanted = sorted(values)[math.ceil(q * len(values)) - 1]
            found = self.prometheus.value(f"histogram_quantile({q}, {series})")
            self.assertIsNotNone(found, series)
            self.assertLess(abs(math.log(found / wanted)), math.log(1 + tolerance),
                            f"{q} of {series}: {found}, wanted {wanted}")


if __name__ == "__main__":
    unittest.main()
