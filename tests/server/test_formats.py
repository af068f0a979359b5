# SPDX-License-Identifier: Apache-2.0
"""The page in its three formats: each is read by a strict reader that is not ours or shares nothing
with the encoder, none shows a series twice, and all of them show the same.
"""

from __future__ import annotations

import gzip
import math
import time
import unittest
from collections import Counter

from lib import protobuf
from lib.exposition import Labels, series_key
from lib.formats import (OPENMETRICS, PROTOBUF, Scraped, is_own, read_openmetrics, read_protobuf,
                         read_text)
from lib.harness import Server, ServerTest, wait_until

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF_TYPE = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                 "encoding=delimited; escaping=underscores")
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

# What Prometheus 2.42 asks for: the second with --enable-feature=native-histograms.
PROMETHEUS = (OPENMETRICS + ",application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PROMETHEUS_NATIVE = (PROTOBUF + "," + OPENMETRICS + ";q=0.8,"
                     "application/openmetrics-text;version=0.0.1;q=0.75,"
                     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")

NASTY = r'\n\\\"},a=\"b\" # 1 # {x=\"y\"} 1'  # as YAML's double quotes read it

MAPPING = rf"""
mappings:
- {{match: "lat.*", observer_type: histogram, name: lat, labels: {{id: "$1"}},
   help: "Backslash \\, \"quotes\",\nand a second line",
   histogram_options: {{buckets: [0, 0.00001, 0.5, 1, 2, 1000000, 10000000]}}}}
- {{match: "sizes.*", observer_type: histogram, name: sizes, labels: {{id: "$1"}},
   histogram_options: {{buckets: [-1, 0, 1]}}}}
- {{match: "sum.*", observer_type: summary, name: sum, labels: {{id: "$1"}},
   summary_options: {{quantiles: [{{quantile: 0, error: 0.01}}, {{quantile: 0.5, error: 0.01}},
   {{quantile: 1, error: 0.01}}]}}}}
- {{match: nasty, name: nasty_total, labels: {{text: "{NASTY}", empty: "", brace: "}}"}}}}
- {{match: hist, name: hist, observer_type: histogram}}
- {{match: summ, name: summ, observer_type: summary}}
"""

WORLD = [
    "hits_total:3|c", "hits_total:4|c|#a:b", "hits_total:1|c|#a:c",
    "llm_generation_cost_dollars:0.12|c|#model:m", "big_total:123456789|c", "tiny_total:0.000001|c",
    "level:-2.5|g", "level:1e300|g|#k:ü😱", "members:ann|s", "members:bob|s",
    "lat.a:1500|ms", "lat.a:3|ms", "lat.b:5000|ms", "lat.b:20000000000|ms",
    "sum.a:7|h", "sum.a:9|h", "sum.b:1|h", "nasty:2|c", "unmapped:8|ms",
    'quotes_total:1|c|#v:"\\}{,w:x=y', "back_total:1|c|#v:\\n\\", "nul_total:1|c|#v:a\0b",
    "nul_total:1|c|#v:a\0c",
]


class FormatTest(ServerTest):
    def ask(self, server: Server, accept: str, wanted_type: str, encoding: str = "") -> bytes:
        headers = {"Accept": accept} | ({"Accept-Encoding": encoding} if encoding else {})
        answer = server.get("/metrics", headers=headers)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], wanted_type)
        self.assertIn("Accept", answer.headers["vary"])
        return answer.body

    def openmetrics(self, server: Server) -> Scraped:
        return read_openmetrics(self.ask(server, OPENMETRICS, OPENMETRICS_TYPE).decode())

    def protobuf(self, server: Server) -> Scraped:
        return read_protobuf(self.ask(server, PROTOBUF, PROTOBUF_TYPE))

    def same_users(self, found: Scraped, wanted: Scraped) -> None:
        self.assertEqual(sorted(found.users), sorted(wanted.users))
        for key, value in wanted.users.items():
            if not (math.isnan(value) and math.isnan(found.users[key])):
                self.assertEqual(found.users[key], value, key)

    def world(self, *flags: str) -> tuple[Server, Scraped]:
        server = self.start(*flags, mapping=MAPPING)
        server.send(*WORLD)
        page = server.settle()
        self.assertEqual(page.refused(), {})
        return server, read_text(page)

    def check_births(self, scraped: Scraped, names: set[str], since: float) -> None:
        """Who tells of its birth, and that it was between the test's beginning and now."""
        users = {key: when for key, when in scraped.created.items() if not is_own(key)}
        self.assertEqual({key.partition("{")[0] for key in users}, names)
        for key, when in users.items():
            self.assertTrue(since - 0.2 <= when <= time.time() + 0.2, f"{key}: {when} of {since}")


class NegotiationTest(FormatTest):
    def test_openmetrics_is_by_choice(self) -> None:
        server = self.start()
        for accept in ("", "*/*", OPENMETRICS, PROMETHEUS, "application/*", "text/plain;q=0.1,*/*"):
            with self.subTest(accept):
                self.ask(server, accept, TEXT_TYPE)
        self.ask(server, PROMETHEUS_NATIVE, PROTOBUF_TYPE)

    def test_openmetrics_when_chosen(self) -> None:
        server = self.start("--web.enable-openmetrics")
        self.ask(server, "", TEXT_TYPE)
        self.ask(server, "*/*", TEXT_TYPE)
        self.ask(server, "text/plain;version=0.0.4", TEXT_TYPE)
        self.ask(server, OPENMETRICS + ";q=0.5,text/plain;q=0.6", TEXT_TYPE)
        self.ask(server, PROMETHEUS, OPENMETRICS_TYPE)
        self.ask(server, PROMETHEUS_NATIVE, PROTOBUF_TYPE)

    def test_compressed_they_are_the_same(self) -> None:
        server, wanted = self.world("--web.enable-openmetrics")
        page = gzip.decompress(self.ask(server, OPENMETRICS, OPENMETRICS_TYPE, "gzip"))
        self.assertEqual(read_openmetrics(page.decode()).users.keys(), wanted.users.keys())
        page = gzip.decompress(self.ask(server, PROTOBUF, PROTOBUF_TYPE, "gzip"))
        self.same_users(read_protobuf(page), wanted)


class ExemplarsTest(FormatTest):
    LINES = ["hits_total:2|c|#a:b,trace_id:c1", "hits_total:3|c|#trace_id:c2,a:b",
             "hits_total:1|c|#a:b", "lat.a:700|ms|#trace.id:l1", "lat.a:800|ms|#trace_id:l2",
             "lat.a:1500|ms|#trace_id:ü\\\"😱", "lat.a:1600|ms", "lat.a:1e15|ms|#trace_id:big",
             "lat.b:1|ms", "plain:1|c|#trace_id:p", "level:1|g|#trace_id:g",
             "sum.a:1|h|#trace_id:s", "members:ann|s|#trace_id:m"]

    def test_both_formats_show_them(self) -> None:
        """Behind counters and the buckets that they fell in, the newest of each; a trace id makes
        no series, and the text page knows nothing of it."""
        since = time.time()
        for threads in ("1", "2"):
            server = self.start("--web.enable-openmetrics", "--statsd.exemplar-tag=trace_id",
                                f"--statsd.ingest-threads={threads}", mapping=MAPPING)
            server.send(*self.LINES)
            page = server.settle()
            wanted = {'hits_total{a="b"}': ("c2", 3), 'lat_bucket{id="a",le="1"}': ("l2", 0.8),
                      'lat_bucket{id="a",le="2"}': ('ü\\"😱', 1.5),
                      'lat_bucket{id="a",le="+Inf"}': ("big", 1e12)}
            self.check_exemplars(self.openmetrics(server), wanted, since)
            self.check_exemplars(self.protobuf(server), wanted | {"plain": ("p", 1)}, since)
            self.assertEqual(page.value("hits_total", a="b"), 6)
            self.assertEqual(page.value("bacowr_statsd_exemplars_total"), 10)
            self.assertNotIn("trace", self.ask(server, "", TEXT_TYPE).decode())
            self.same_users(self.openmetrics(server), read_text(page))
            server.stop()

    def check_exemplars(self, found: Scraped, wanted: dict[str, tuple[str, float]],
                        since: float) -> None:
        self.assertEqual({key: (labels, value) for key, (labels, value, _) in
                          found.exemplars.items()},
                         {key: ({"trace_id": trace}, value)
                          for key, (trace, value) in wanted.items()})
        for key, (_, _, when) in found.exemplars.items():
            self.assertTrue(when is not None and since - 0.2 <= when <= time.time() + 0.2, key)


class OpenMetricsTest(FormatTest):
    def test_it_shows_what_the_text_shows(self) -> None:
        since = time.time()
        server, wanted = self.world("--web.enable-openmetrics")
        found = self.openmetrics(server)
        self.same_users(found, wanted)
        self.assertEqual(found.own_series, wanted.own_series)
        self.check_births(found, {"hits", "big", "tiny", "lat", "sum", "nasty", "unmapped",
                                  "quotes", "back", "nul"}, since)
        for name, help_text in wanted.helps.items():
            self.assertEqual(found.helps[self.family(found, name)], help_text, name)

    def family(self, found: Scraped, name: str) -> str:
        """A counter's family has lost its _total, whatever else has kept its name."""
        stem = name.removesuffix("_total")
        return stem if found.types.get(stem) == "counter" else name

    def test_types_and_names(self) -> None:
        server, _ = self.world("--web.enable-openmetrics")
        types = self.openmetrics(server).types
        for name, kind in {"hits": "counter", "llm_generation_cost_dollars": "unknown",
                           "level": "gauge", "members": "gauge", "lat": "histogram",
                           "sum": "summary", "statsd_exporter_lines": "counter",
                           "statsd_exporter_metrics_total": "gauge"}.items():
            self.assertEqual(types.get(name), kind, name)

    def test_the_spelling(self) -> None:
        """What readers normalise away: floats in canonical form, the end's mark, no blank line."""
        server, _ = self.world("--web.enable-openmetrics")
        text = self.ask(server, OPENMETRICS, OPENMETRICS_TYPE).decode()
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertNotIn("\n\n", text)
        for line in ('lat_bucket{id="a",le="0.0"} 0', 'lat_bucket{id="a",le="1e-05"} 0',
                     'lat_bucket{id="a",le="2.0"} 2', 'lat_bucket{id="a",le="1e+06"} 2',
                     'sum{id="a",quantile="0.0"} 7', 'sum{id="a",quantile="1.0"} 9',
                     "# TYPE hits counter", 'llm_generation_cost_dollars{model="m"} 0.12',
                     '# HELP lat Backslash \\\\, \\"quotes\\",\\nand a second line'):
            self.assertIn(f"\n{line}\n", text)

    def test_a_birth_stays_what_it_was(self) -> None:
        server = self.start("--web.enable-openmetrics")
        server.send("early_total:1|c")
        server.settle()
        first = self.openmetrics(server).created["early"]
        time.sleep(0.35)
        server.send("early_total:1|c", "late_total:1|c")
        server.settle()
        found = self.openmetrics(server)
        self.assertEqual(found.created["early"], first)
        self.assertGreaterEqual(found.created["late"], first + 0.25)
        self.assertEqual(found.users["early_total"], 2)

    def test_names_that_clash_only_here(self) -> None:
        """A counter keeps its whole name where what it would claim is taken; nothing is lost."""
        cases = {
            "its family": (["x_total:1|c", "x:2|g"], {"x_total": "unknown", "x": "gauge"}),
            "a histogram": (["hist_total:1|c", "hist:2|h"],
                            {"hist_total": "unknown", "hist": "histogram"}),
            "a counter": (["x_total:1|c", "x:2|c"], {"x_total": "unknown", "x": "unknown"}),
            "twice": (["x_total:1|c", "x_total_total:2|c"],
                      {"x": "counter", "x_total_total": "unknown"}),
            "thrice": (["x:3|g", "x_total:1|c", "x_total_total:2|c"],
                       {"x": "gauge", "x_total": "unknown", "x_total_total": "unknown"}),
            "its birth": (["x_total:1|c", "x_created:2|g"],
                          {"x_total": "unknown", "x_created": "gauge"}),
            "a counter of births": (["x_total:1|c", "x_created_total:2|c"],
                                    {"x_total": "unknown", "x_created": "counter"}),
            "a sample": (["hist:1|h", "hist_sum_total:1|c", "hist_bucket_total:1|c",
                          "hist_count_total:1|c", "hist_created_total:1|c"],
                         {"hist": "histogram", "hist_sum_total": "unknown",
                          "hist_bucket_total": "unknown", "hist_count_total": "unknown",
                          "hist_created_total": "unknown"}),
            "a sample of a summary": (["summ:1|h", "summ_sum_total:1|c", "summ_created_total:1|c"],
                                      {"summ": "summary", "summ_sum_total": "unknown",
                                       "summ_created_total": "unknown"}),
            "near": (["x_total:1|c", "xy:2|g", "x_create:1|g", "x_totals:1|g", "w:1|g"],
                     {"x": "counter", "xy": "gauge", "x_create": "gauge", "x_totals": "gauge"}),
            "nothing else": (["_total:1|c", "__total:1|c"], {"_total": "unknown", "_": "counter"}),
            "our own": (["statsd_exporter_lines:1|g", "statsd_exporter_metrics_total_total:1|c",
                         "statsd_exporter_samples_created:1|g"],
                        {"statsd_exporter_lines_total": "unknown",
                         "statsd_exporter_lines": "gauge",
                         "statsd_exporter_metrics_total_total": "unknown",
                         "statsd_exporter_samples_total": "unknown",
                         "statsd_exporter_tags": "counter"}),
        }
        for about, (lines, types) in cases.items():
            for order in (lines, lines[::-1]):
                with self.subTest(about, first=order[0]):
                    server = self.start("--web.enable-openmetrics", mapping=MAPPING)
                    server.send(*order)
                    page = server.settle()
                    self.assertEqual(page.refused(), {})
                    found = self.openmetrics(server)
                    self.same_users(found, read_text(page))
                    self.same_users(self.protobuf(server), read_text(page))
                    self.assertEqual({name: found.types.get(name) for name in types}, types)
                    server.stop()

    def test_the_birth_of_a_histogram_is_its_own(self) -> None:
        """Beside a histogram or summary x no family can be x_created, whichever came first; without
        OpenMetrics it can."""
        for first, second in (("hist:1|h", "hist_created:1|g"), ("hist_created:1|c", "hist:1|h"),
                              ("summ:1|h", "summ_created:1|g"), ("summ_created:1|g", "summ:1|h")):
            for flags in ([], ["--web.enable-openmetrics"]):
                with self.subTest(first=first, flags=flags):
                    server = self.start(*flags, mapping=MAPPING)
                    server.send(first)
                    server.settle()
                    server.send(second)
                    page = server.settle()
                    self.assertEqual(page.refused(), {"conflict": 1.0} if flags else {})
                    if flags:
                        self.same_users(self.openmetrics(server), read_text(page))
                    server.stop()

    def test_what_is_sent_cannot_spoil_the_page(self) -> None:
        """Sums and quantiles that are no counters are left out here, and only here."""
        server = self.start("--web.enable-openmetrics", mapping=MAPPING)
        server.send("lat.neg:-5000|ms", "lat.nan:nan|h", "lat.inf:inf|h", "lat.ok:1|h",
                    "sizes.a:5|h", "sum.neg:-3|h", "sum.neg:1|h", "sum.nan:nan|h", "sum.ok:1|h",
                    "g:nan|g", "g:-inf|g|#a:b")
        text = read_text(server.settle())
        found = self.openmetrics(server)
        missing = set(text.users) - set(found.users)
        self.assertEqual(missing, {
            'lat_sum{id="neg"}', 'lat_count{id="neg"}', 'lat_sum{id="nan"}', 'lat_count{id="nan"}',
            'sizes_sum{id="a"}', 'sizes_count{id="a"}', 'sum_sum{id="neg"}', 'sum_sum{id="nan"}',
            'sum{id="neg",quantile="0"}', 'sum{id="neg",quantile="0.5"}'})
        self.assertEqual(set(found.users) - set(text.users), set())
        self.same_users(self.protobuf(server), text)

    def test_a_page_of_many_slices(self) -> None:
        server = self.start("--web.enable-openmetrics")
        for begin in range(0, 5000, 50):
            server.send("\n".join(f"many_total:{i}|c|#id:{i}" for i in range(begin, begin + 50)))
        page = server.settle()
        found = self.openmetrics(server)
        self.assertEqual(len([key for key in found.users if key.startswith("many_total{")]), 5000)
        self.same_users(found, read_text(page))


class ProtobufTest(FormatTest):
    def test_it_shows_what_the_text_shows(self) -> None:
        since = time.time()
        server, wanted = self.world()
        found = self.protobuf(server)
        self.same_users(found, wanted)
        self.assertEqual(found.types, wanted.types)
        self.assertEqual(found.helps, wanted.helps)
        self.assertEqual(found.own_series, wanted.own_series)
        self.check_births(found, {"hits_total", "llm_generation_cost_dollars", "big_total",
                                  "tiny_total", "lat", "sum", "nasty_total", "unmapped",
                                  "quotes_total", "back_total", "nul_total"}, since)

    def test_births_agree_with_openmetrics(self) -> None:
        server, _ = self.world("--web.enable-openmetrics")
        found = self.protobuf(server).created
        for key, when in self.openmetrics(server).created.items():
            name, brace, rest = key.partition("{")
            same = [found[spelling] for spelling in (key, f"{name}_total{brace}{rest}")
                    if spelling in found]
            self.assertEqual(len(same), 1, key)
            self.assertAlmostEqual(same[0], when, 5)

    def test_a_large_family_comes_in_parts(self) -> None:
        """Each no larger than a slice of the page, and every series in one of them."""
        server = self.start(mapping=MAPPING)
        n = 5000
        for begin in range(0, n, 50):
            server.send("\n".join(f"lat.id{i}:{i}|ms" for i in range(begin, begin + 50)))
        page = server.settle()
        data = self.ask(server, PROTOBUF, PROTOBUF_TYPE)
        parts = [message for message in protobuf.read(data) if message.name == "lat"]
        self.assertGreater(len(parts), 5)
        self.assertEqual(sum(part.n_metrics for part in parts), n)
        for part in parts:
            self.assertLess(part.size, 80 * 1024)
        self.same_users(read_protobuf(data), read_text(page))


NATIVE_MAPPING = """
mappings:
- {match: "lat.*", observer_type: histogram, name: lat, labels: {id: "$1"}}
- {match: "coarse.*", observer_type: histogram, name: coarse,
   histogram_options: {native_histogram_bucket_factor: 1.1, native_histogram_max_buckets: 10}}
- {match: "fine.*", observer_type: histogram, name: fine,
   histogram_options: {native_histogram_bucket_factor: 1.0001}}
- {match: "off.*", observer_type: histogram, name: off,
   histogram_options: {native_histogram_bucket_factor: 1}}
"""


def native_index(value: float, schema: int) -> int:
    """The bucket of a value that is no bound."""
    return math.ceil(math.log2(abs(value)) * 2.0 ** schema)


class NativeTest(FormatTest):
    def native(self, server: Server) -> dict[str, protobuf.Native]:
        return self.protobuf(server).native

    def test_each_value_has_its_bucket(self) -> None:
        server = self.start("--statsd.ingest-threads=2", mapping=NATIVE_MAPPING)
        values = [0.0011, 0.0012, 3.5, 3.6, 17, 250.5, 1e-20, 1e20, -3.5, -1e9]
        server.send(*(f"lat.a:{value}|h" for value in values), "lat.a:3.5|h|@0.5", "lat.a:0|h",
                    "lat.a:1e-40|h", "lat.a:inf|h", "lat.a:-inf|h", "lat.a:nan|h")
        text = read_text(server.settle())
        found = self.protobuf(server)
        self.same_users(found, text)
        native = found.native['lat{id="a"}']
        self.assertEqual((native.schema, native.zero_threshold, native.zero_count),
                         (3, 2.0 ** -128, 2))
        wanted = Counter(native_index(value, 3) for value in [*values, 3.5, 3.5] if value > 0)
        self.assertEqual(native.positive, {**wanted, 1024 * 8 + 1: 1})
        self.assertEqual(native.negative, {native_index(-3.5, 3): 1, native_index(-1e9, 3): 1,
                                           1024 * 8 + 1: 1})
        self.assertEqual(found.users['lat_count{id="a"}'], native.count() + 1)  # and NaN

    def test_the_options(self) -> None:
        server = self.start(mapping=NATIVE_MAPPING)
        values = [1.5 ** n for n in range(40)]
        server.send(*(f"{name}.a:{value}|h" for name in ("coarse", "fine", "off")
                      for value in values))
        server.settle()
        native = self.native(server)
        self.assertEqual(set(native), {"coarse", "fine"})
        self.assertEqual(native["fine"].schema, 8)
        self.assertEqual(native["coarse"].schema, -2)
        for found in native.values():
            self.assertEqual(found.positive,
                             Counter(math.ceil(round(math.log2(value) * 2.0 ** found.schema, 9))
                                     for value in values))
        self.assertLessEqual(len(native["coarse"].positive), 10)

    def test_a_reload_carries_them(self) -> None:
        """Other classic bounds, another factor: one sum. On after off: these pages begin anew."""
        rule = ("mappings:\n- {match: h, name: h, observer_type: histogram, histogram_options: "
                "{buckets: [%s], native_histogram_bucket_factor: %s}}\n")
        server = self.start("--web.enable-lifecycle", mapping=rule % ("1, 5", "1.1"))
        n_rebuilt = 0

        def turn(bounds: str, factor: str) -> tuple[Scraped, Scraped]:
            nonlocal n_rebuilt
            server.write_mapping(rule % (bounds, factor))
            self.assertEqual(server.get("/-/reload", "POST").status, 200)
            n_rebuilt += 1
            wait_until("it is rebuilt", lambda: server.scrape().value(
                "bacowr_statsd_series_rebuilt_total") == n_rebuilt)
            server.send("h:0.5|h")
            text = read_text(server.settle())
            return text, self.protobuf(server)

        server.send("h:3|h\nh:0.5|h\nh:0|h")
        server.settle()
        text, found = turn("2, 5", "1.1")
        self.same_users(found, text)
        self.assertEqual(found.native["h"].count(), 4)
        self.assertEqual(found.native["h"].schema, 3)
        text, found = turn("2, 5", "2")
        self.same_users(found, text)
        self.assertEqual(found.native["h"].positive, {2: 1, -1: 3})
        born = found.created["h"]
        text, found = turn("2, 5", "1")
        self.same_users(found, text)
        self.assertEqual((found.users["h_count"], found.native), (6, {}))
        time.sleep(0.2)
        text, found = turn("2, 5", "1.1")
        self.assertEqual((text.users["h_count"], found.users["h_count"]), (7, 1))
        self.assertEqual(found.users['h_bucket{le="2"}'], 1)
        self.assertEqual(found.native["h"].count(), 1)
        self.assertGreater(found.created["h"], born)

    def test_a_histogram_of_nothing_but_nan(self) -> None:
        server = self.start(mapping=NATIVE_MAPPING)
        server.send("lat.a:nan|h")
        server.settle()
        native = self.native(server)['lat{id="a"}']
        self.assertEqual((native.count(), native.n_spans), (0, 1))

    def test_text_has_none_of_it(self) -> None:
        server = self.start("--web.enable-openmetrics", mapping=NATIVE_MAPPING)
        server.send("lat.a:1|h", "off.a:1|h")
        text = read_text(server.settle())
        for scraped in (text, self.openmetrics(server)):
            names = {key.partition("{")[0].replace("off_", "lat_") for key in scraped.users}
            self.assertEqual(names, {"lat_bucket", "lat_sum", "lat_count"})
            self.assertEqual(len([key for key in scraped.users if key.startswith("lat_")]),
                             len([key for key in scraped.users if key.startswith("off_")]))


if __name__ == "__main__":
    unittest.main()
