# SPDX-License-Identifier: Apache-2.0
"""Nothing that arrives can stop the server, spoil a scrape, or hurt what is beside it.

The datagrams here kill statsd_exporter, or make each later scrape of it fail; others are meant to.
After each one a good line must count and the page must be well formed.
"""

from __future__ import annotations

import random
import unittest

from lib.exposition import Page
from lib.harness import DATA, Server, ServerTest, to_bytes

HISTOGRAMS = """
defaults:
  observer_type: histogram
mappings:
- match: first.*
  name: helped
  help: one sentence
  labels: {which: first}
- match: second.*
  name: helped
  help: another sentence
  labels: {which: second, more: "$1"}
- match: empty.*
  name: maybe_empty
  labels: {tail: "$1"}
"""

# Bytes that mean something somewhere in a line.
SPECIAL = b"\0\n\r:|#@,;=[]_{}cmsghd019.-+e\xff"

# A name, what to send, and the reason that must be counted for it (None: it need not be refused).
SUMMARY_CASES: list[tuple[str, list[bytes | str], str | None]] = [
    ("closing bracket first", ["a]b[c:1|c"], None),
    ("quantile as a tag of a summary", ["x1:1|ms|#quantile:z"], None),
    ("quantile as a tag of a later series", ["x2:1|ms", "x2:1|ms|#quantile:z"], None),
    ("reserved label name", ["r1:1|c|#__a:b"], None),
    ("the reserved label __name__", ["r2:1|c|#__name__:other"], None),
    ("a summary and one named as its count", ["q1:1|ms", "q1_count:1|ms"], "conflict"),
    ("the same in the other order", ["q2_count:1|ms", "q2:1|ms"], "conflict"),
    ("a summary and one named as its sum", ["q3:1|ms", "q3_sum:1|h"], "conflict"),
    ("a counter named as a summary's count", ["q4:1|ms", "q4_count:1|c"], "conflict"),
    ("a gauge named as a summary's sum, before it", ["q5_sum:1|g", "q5:1|ms"], "conflict"),
    ("our own family as a counter", ["statsd_exporter_lines_total:5|c"], "conflict"),
    ("our own family as a timer", ["statsd_exporter_lines_total:5|ms"], "conflict"),
    ("our own family by its dotted name", ["statsd.exporter.samples.total:5|c"], "conflict"),
    ("our own family as a gauge", ["statsd_exporter_events_total:5|g"], "conflict"),
    ("a family of the process", ["process_cpu_seconds_total:5|g"], "conflict"),
    ("nothing but Librato tags", ["#a=b:1|c"], "empty_metric_name"),
    ("nothing but InfluxDB tags", [",a=b:1|c"], "empty_metric_name"),
    ("nothing but SignalFX tags", ["[a=b]:1|c"], "empty_metric_name"),
    ("a billion observations", ["b1:1|ms|@1e-9"], None),
    ("more observations than a number holds", ["b2:1|ms|@1e-300"], None),
    ("rate infinity", ["b3:1|c|@Infinity", "b3:1|ms|@Infinity"], None),
    ("rate nan", ["b4:1|c|@NaN", "b4:1|ms|@NaN"], None),
    ("rate zero", ["b5:1|c|@0", "b5:1|ms|@0"], None),
    ("counter nan", ["n1:nan|c"], "illegal_non_finite_counter"),
    ("counter infinity", ["n2:inf|c"], "illegal_non_finite_counter"),
    ("counter past the largest number", ["n3:1e308|c|@1e-9"], "illegal_non_finite_counter"),
    ("number out of range", ["n4:1e400|c"], "malformed_value"),
    ("bad UTF-8 in the name", [b"bad\xc3\x28:1|c"], "malformed_line"),
    ("bad UTF-8 in the value", [b"v:1\xff|c"], "malformed_line"),
    ("bad UTF-8 in a tag value", [b"t:1|c|#k:\xe9"], "malformed_line"),
    ("bad UTF-8 in a tag value of a known series", ["t:1|c|#k:e", b"t:1|c|#k:\xe9"],
     "malformed_line"),
    ("bad UTF-8 in a set's member", [b"members:\xe9|s"], "malformed_line"),
    ("overlong UTF-8", [b"o:1|c|#k:\xc0\xaf"], "malformed_line"),
    ("a surrogate", [b"s:1|c|#k:\xed\xa0\x80"], "malformed_line"),
    ("NUL bytes", [b"nul\0name:1|c|#k\0:v\0"], None),
    ("quotes, backslashes and tabs", ['esc:1|c|#k:a"b\\c\td'], None),
    ("an event", ["_e{5,4}:title|text|#a:b"], "dogstatsd_event"),
    ("a service check", ["_sc|name|0|#a:b"], "dogstatsd_service_check"),
    ("a thousand tags", ["many:1|c|#" + ",".join(f"k{i}:v" for i in range(1000))], None),
    ("one tag a thousand times", ["same:1|c|#" + ",".join("k:v" for _ in range(1000))], None),
    ("tags that are one after escaping", ["one:1|c|#a.b:1,a-b:2,a_b:3"], None),
    ("a name of 60 000 bytes", ["n" * 60000 + ":1|c"], None),
    ("a tag value of 60 000 bytes", ["long:1|c|#k:" + "v" * 60000], None),
    ("a number of 60 000 digits", ["digits:" + "1" * 60000 + "|c"], "malformed_value"),
    ("60 000 colons", [":" * 60000], "malformed_line"),
    ("60 000 bars", ["bars:1" + "|" * 60000], "malformed_component"),
    ("30 000 samples", ["samples" + ":1|c" * 10000], None),
    ("20 000 packed values", ["packed" + ":1" * 20000 + "|ms"], None),
    ("nothing but line ends", ["\n" * 60000], None),
    ("nothing at all", [""], None),
]

HISTOGRAM_CASES: list[tuple[str, list[bytes | str], str | None]] = [
    ("le as a tag of a histogram", ["x1:1|ms|#le:z"], None),
    ("le as a tag of a later series", ["x2:1|ms", "x2:1|ms|#le:+Inf"], None),
    ("a histogram and one named as its buckets", ["h1:1|ms", "h1_bucket:1|ms"], None),
    ("the same in the other order", ["h2_bucket:1|c", "h2:1|ms"], None),
    ("a histogram and one named as its count", ["h3:1|ms", "h3_count:1|ms"], None),
    ("one family, two helps", ["first.a:1|c", "second.a:1|c"], None),
    ("a label without a value beside none", ["maybe_empty:1|c", "empty.:1|c"], None),
    ("observations that are no numbers", ["x3:nan|h", "x3:inf|h", "x3:-inf|h"], None),
]


class BadInputTest(ServerTest):
    def check_alive(self, server: Server, n_before: int) -> Page:
        """A good line counts, beside whatever was sent."""
        server.send("alive:1|c", "alive.gauge:7|g", "alive.timer:5|ms")
        page = server.settle()
        self.assertEqual(page.value("alive"), n_before + 1)
        self.assertEqual(page.value("alive_timer_count"), n_before + 1)
        self.assertEqual(page.value("alive_gauge"), 7)
        return page

    def run_cases(self, server: Server,
                  cases: list[tuple[str, list[bytes | str], str | None]]) -> None:
        for n, (name, datagrams, reason) in enumerate(cases):
            with self.subTest(name):
                before = server.scrape().refused()
                server.send(*datagrams)
                after = self.check_alive(server, n).refused()
                if reason:
                    self.assertEqual(after.get(reason, 0), before.get(reason, 0) + 1)

    def test_each_datagram_leaves_the_server_whole(self) -> None:
        self.run_cases(self.start(), SUMMARY_CASES)

    def test_each_datagram_leaves_histograms_whole(self) -> None:
        self.run_cases(self.start(mapping=HISTOGRAMS), HISTOGRAM_CASES)

    def test_a_gauge_beside_gauges_named_like_parts_of_a_summary(self) -> None:
        """A gauge has no parts, so nothing clashes and all three are served."""
        server = self.start()
        server.send("d:1|g", "d_count:2|g", "d_sum:3|g")
        page = server.settle()
        self.assertEqual((page.value("d"), page.value("d_count"), page.value("d_sum")), (1, 2, 3))

    def test_names_that_belong_to_the_format_are_renamed(self) -> None:
        """Nothing is lost; and the label cannot be taken for the format's own."""
        server = self.start()
        server.send("a:1|ms|#quantile:z", "b:2|c|#__name__:z,le:ok")
        page = server.settle()
        self.assertEqual(page.value("a_count", exported_quantile="z"), 1)
        self.assertEqual(page.value("b", exported___name__="z", le="ok"), 2)

    def test_what_is_refused_for_its_neighbours_is_counted(self) -> None:
        """A conflict costs its own sample, and says so."""
        server = self.start()
        server.send("c:1|c", "c:2|g", "c:3|ms", "c:4|c")
        page = server.settle()
        self.assertEqual(page.value("c"), 5)
        for kind in ("gauge", "observer"):
            self.assertEqual(page.value("statsd_exporter_events_conflict_total",
                                        type=kind, metric_name="c"), 1)

    def test_tags_of_one_sample_stay_off_the_next(self) -> None:
        server = self.start()
        server.send("s:1|c|#a:b", "s:1|c")
        page = server.settle()
        self.assertEqual((page.value("s", a="b"), page.value("s")), (1, 1))

    def test_random_bytes_and_torn_lines(self) -> None:
        """Noise, and good lines with bytes changed, thrown from a fixed seed."""
        server = self.start()
        dice = random.Random(1)
        lines = [to_bytes(d) for _, case, _ in SUMMARY_CASES for d in case if len(d) < 500]
        for _ in range(3000):
            line = bytearray(dice.choice(lines) or b"x")
            for _ in range(dice.randrange(4)):
                line[dice.randrange(len(line))] = dice.choice(SPECIAL)
            server.send(bytes(line[:dice.randrange(1, len(line) + 1)]))
            if dice.randrange(10) == 0:
                server.send(dice.randbytes(dice.randrange(200)))
            if server.sent_datagrams % 100 == 0:
                server.settle()
        self.check_alive(server, 0)

    def test_the_fuzz_corpus(self) -> None:
        """Every input that the fuzz target for lines starts from."""
        server = self.start()
        files = sorted((DATA.parent / "fuzz" / "corpus" / "line").iterdir())
        self.assertGreater(len(files), 0)
        for file in files:
            server.send(file.read_bytes()[:65000])
            server.settle()
        self.check_alive(server, 0)


if __name__ == "__main__":
    unittest.main()
