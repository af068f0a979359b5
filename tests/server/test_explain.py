# SPDX-License-Identifier: Apache-2.0
"""The command explain: its objects as a program reads them, and lines from the standard input."""

from __future__ import annotations

import json
import os
import select
import subprocess
import unittest
from typing import Any

from lib.harness import ServerTest, binary, environment, new_folder

MAPPING = """
defaults: {ttl: 90s}
mappings:
- {match: app.*.hits, name: app_hits_total, labels: {app: $1}, scale: 2}
- {match: app.*.miss, name: app_miss_total, ttl: 1h}
- {match: app.*.*, name: app_other}
- {match: drop.*, name: x, action: drop}
- {match: gauges.*, name: only_gauges, match_metric_type: gauge}
- {match: time.*, name: '${1}_seconds', observer_type: histogram}
- {match: 'to(.*)', match_type: regex, name: '$1'}
"""

LINE_KEYS = {"line", "outcome", "reason", "counter", "tag_errors", "samples",
             "more_samples"}
SAMPLE_KEYS = {"value", "suffix", "type", "kind", "name", "tags", "tag_errors", "rate_errors",
               "effect", "outcome", "reason", "counter", "conflict", "rule", "series", "candidates",
               "more_candidates"}
EFFECT_KEYS = {"op", "value", "times"}
RULE_KEYS = {"number", "file", "line", "match", "match_type", "action", "name"}
SERIES_KEYS = {"name", "labels", "renamed_labels", "type", "ttl_seconds", "text",
               "over_limit", "limit_met"}
CANDIDATE_KEYS = {"rule", "verdict", "why"}

SAMPLE_ERRORS = "statsd_exporter_sample_errors_total"
EVENT_ERRORS = "statsd_exporter_events_error_total"

# A line that becomes one series: its type and kind, effect, text, type, rule's number.
SERIES: dict[bytes, tuple[str, str, tuple[str, Any, int], str, str, int | None]] = {
    b"nobody:1|c": ("c", "counter", ("add", 1, 1), "nobody", "counter", None),
    b"app.x.hits:1|c|@0.5|#u:v": ("c", "counter", ("add", 4, 1), 'app_hits_total{app="x",u="v"}',
                                  "counter", 1),
    b"app.x.miss:3|g": ("g", "gauge", ("set", 3, 1), "app_miss_total", "gauge", 2),
    b"g:-3|g": ("g", "gauge", ("change", -3, 1), "g", "gauge", None),
    b"g:nan|g": ("g", "gauge", ("set", "NaN", 1), "g", "gauge", None),
    b"g:-inf|g": ("g", "gauge", ("change", "-Inf", 1), "g", "gauge", None),
    b"time.load:250|ms|@0.1": ("ms", "observer", ("observe", 0.25, 10), "load_seconds",
                               "histogram", 6),
    b"o:7|h": ("h", "observer", ("observe", 7, 1), "o", "summary", None),
    b"o:7|d": ("d", "observer", ("observe", 7, 1), "o", "summary", None),
    b"u:2001:db8::1|s": ("s", "set", ("member", "2001:db8::1", 1), "u", "set", None),
    b"tomato:1|c": ("c", "counter", ("add", 1, 1), "mato", "counter", 7),
    b"t#a=b:1|c": ("c", "counter", ("add", 1, 1), 't{a="b"}', "counter", None),
    b'q:1|c|#k:"\\': ("c", "counter", ("add", 1, 1), 'q{k="\\"\\\\"}', "counter", None),
}

# A line that is refused, and the counter and reason of that.
REFUSED_LINES = {
    b"x": "malformed_line",
    b":1|c": "malformed_line",
    b"\xff\x9b:1|c": "malformed_line",
    b"x#a=b:1|c|#c:d": "mixed_tagging_styles",
    b"x:1": "not_enough_parts_after_colon",
    b"x:1:2|c": "invalid_extended_aggregate_type",
}
REFUSED_SAMPLES = {
    b"x:1|c|": (SAMPLE_ERRORS, "malformed_component"),
    b"x:y|c": (SAMPLE_ERRORS, "malformed_value"),
    b"x:1|c|?": (SAMPLE_ERRORS, "invalid_sample_factor"),
    b"x:1|c|c:": (SAMPLE_ERRORS, "malformed_container_id"),
    b"x:1|q": (SAMPLE_ERRORS, "illegal_event"),
    b"#a=b:1|c": (EVENT_ERRORS, "empty_metric_name"),
    b"to:1|c": (EVENT_ERRORS, "empty_metric_name"),
    b"x:-1|c": (EVENT_ERRORS, "illegal_negative_counter"),
    b"x:nan|c": (EVENT_ERRORS, "illegal_non_finite_counter"),
    b"x:1|c|#k:" + b"v" * 9000: (EVENT_ERRORS, "series_too_long"),
}


class ExplainTest(unittest.TestCase):
    def setUp(self) -> None:
        self.file = self.enterContext(new_folder()) / "mapping.yml"
        self.file.write_text(MAPPING)

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        return [str(binary()), f"--statsd.mapping-config={self.file}", "explain", *arguments]

    def explain(self, lines: bytes, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.command(*arguments), input=lines, capture_output=True,
                              timeout=30, env=environment())

    def objects(self, lines: bytes) -> list[dict[str, Any]]:
        """What is told of lines from the input, with all of the documented keys and no other."""
        done = self.explain(lines, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(all(byte == 0x0a or byte >= 0x20 and byte != 0x7f for byte in done.stdout))
        told = [json.loads(line) for line in done.stdout.decode().splitlines()]
        for line in told:
            self.assertEqual(line.keys(), LINE_KEYS)
            for sample in line["samples"]:
                self.check_keys(sample)
        return told

    def check_keys(self, sample: dict[str, Any]) -> None:
        self.assertEqual(sample.keys(), SAMPLE_KEYS)
        for key, keys in (("effect", EFFECT_KEYS), ("rule", RULE_KEYS), ("series", SERIES_KEYS)):
            self.assertTrue(sample[key] is None or sample[key].keys() == keys, key)
        for candidate in sample["candidates"]:
            self.assertEqual(candidate.keys(), CANDIDATE_KEYS)
            self.assertEqual(candidate["rule"].keys(), RULE_KEYS)

    def sample(self, line: bytes) -> dict[str, Any]:
        told = self.objects(line + b"\n")
        self.assertEqual([one["outcome"] for one in told], ["samples"])
        self.assertEqual(len(told[0]["samples"]), 1)
        sample: dict[str, Any] = told[0]["samples"][0]
        return sample

    def test_series(self) -> None:
        for line, (kind, rules_kind, effect, text, metric, rule) in SERIES.items():
            with self.subTest(line):
                told = self.sample(line)
                self.assertEqual(told["outcome"], "series")
                self.assertEqual((told["type"], told["kind"]), (kind, rules_kind))
                self.assertEqual(tuple(told["effect"][key] for key in ("op", "value", "times")),
                                 effect)
                self.assertEqual((told["series"]["text"], told["series"]["type"]), (text, metric))
                self.assertEqual(told["rule"] and told["rule"]["number"], rule)
                self.assertEqual((told["reason"], told["counter"]), (None, None))

    def test_rules(self) -> None:
        """The winner is the first candidate, and the rule; each of the others says why not."""
        told = self.sample(b"app.x.hits:1|c")
        self.assertEqual(told["candidates"][0]["rule"], told["rule"])
        self.assertEqual([(one["rule"]["number"], one["verdict"]) for one in told["candidates"]],
                         [(1, "wins"), (3, "later"), (2, "segment")])
        self.assertEqual(told["rule"]["line"], 4)
        self.assertEqual(told["candidates"][2]["why"],
                         'segment 3 is "hits", the rule expects "miss"')
        verdicts = {one["rule"]["number"]: one["verdict"]
                    for one in self.sample(b"gauges.x:1|c")["candidates"]}
        self.assertEqual(verdicts[5], "kind")
        self.assertIsNone(self.sample(b"gauges.x:1|c")["rule"])

    def test_dropped(self) -> None:
        told = self.sample(b"drop.me:1|c")
        self.assertEqual((told["outcome"], told["series"]), ("dropped", None))
        self.assertEqual((told["rule"]["action"], told["rule"]["name"]), ("drop", None))

    def test_an_observation_that_counts_no_times(self) -> None:
        told = self.sample(b"o:1|h|@2")
        self.assertEqual((told["outcome"], told["effect"]["times"]), ("nothing", 0))

    def test_refused(self) -> None:
        """Each reason, with the counter that it is counted in."""
        for line, reason in REFUSED_LINES.items():
            with self.subTest(line):
                told, = self.objects(line)
                self.assertEqual((told["outcome"], told["counter"], told["reason"]),
                                 ("refused", SAMPLE_ERRORS, reason))
                self.assertEqual(told["samples"], [])
        for line, (counter, reason) in REFUSED_SAMPLES.items():
            with self.subTest(line):
                sample = self.sample(line)
                self.assertEqual((sample["outcome"], sample["counter"], sample["reason"]),
                                 ("refused", counter, reason))
                self.assertIsNone(sample["series"])

    def test_what_is_no_metric(self) -> None:
        told = self.objects(b"_e{1,1}:a|b\n_sc|x|1\n\nx:1|c\r\n")
        self.assertEqual([one["outcome"] for one in told],
                         ["event", "service_check", "empty", "samples"])
        self.assertEqual(told[3]["line"], "x:1|c")

    def test_packed(self) -> None:
        told, = self.objects(b"a:1:x:20|ms|#k:v\n")
        self.assertEqual([(one["value"], one["outcome"]) for one in told["samples"]],
                         [("1", "series"), ("x", "refused"), ("20", "series")])
        self.assertEqual([one["effect"] and one["effect"]["value"] for one in told["samples"]],
                         [0.001, None, 0.02])
        told, = self.objects(b"k:1|c:2|g\n")
        self.assertEqual([one["series"]["type"] for one in told["samples"]], ["counter", "gauge"])

    def test_tags(self) -> None:
        told = self.sample(b"f:1|ms|#quantile:9,__z:1,b")
        self.assertEqual(told["tags"], {"quantile": "9", "__z": "1"})
        self.assertEqual(told["tag_errors"], 1)
        self.assertEqual(told["series"]["labels"],
                         {"exported___z": "1", "exported_quantile": "9"})
        self.assertEqual((told["series"]["renamed_labels"], told["series"]["ttl_seconds"]), (2, 90))
        line, = self.objects(b"h[a]:1|c|@x\n")
        self.assertEqual((line["tag_errors"], line["samples"][0]["rate_errors"]), (1, 1))

    def test_any_byte(self) -> None:
        """Whatever stands in a line, one object comes out, and no control character."""
        lines = [b"a%c.hits:1|c|#k:%cz" % (byte, byte) for byte in range(256) if byte != 0x0a]
        told = self.objects(b"\n".join(lines) + b"\n")
        self.assertEqual(len(told), 255)
        for line, one in zip(lines, told):
            self.assertEqual(one["line"], line.decode(errors="replace"))
            self.assertTrue(line[1] < 0x80 or one["reason"] == "malformed_line")
        terminal, = self.objects("t:1|c|#k:\x9b31mé\u2028😀".encode())
        self.assertEqual(terminal["samples"][0]["series"]["labels"]["k"], "\x9b31mé\u2028😀")

    def test_arguments(self) -> None:
        """In their order; - stands for the input; in words, an empty line stands between."""
        done = self.explain(b"b:1|c\nc:1|c", "--json", "a:1|c", "-", "d:1|c\ne:1|c")
        self.assertEqual([json.loads(line)["line"] for line in done.stdout.splitlines()],
                         [name + ":1|c" for name in "abcde"])
        done = self.explain(b"x\ny\n", "-")
        self.assertEqual((done.returncode, done.stdout.split(b"\n\n")[1].split(b"\n")[0]),
                         (0, b'line     "y"'))
        self.assertEqual(self.explain(b"").stdout, b"")
        self.assertEqual(self.explain(b"x\ny\n").stdout, done.stdout)

    def test_a_long_line_is_cut(self) -> None:
        """With a word about it, and the next line is whole."""
        done = self.explain(b"x" * 200_000 + b"\nb:1|c\n" + b"y" * 65536 + b"\n", "--json")
        self.assertEqual(done.returncode, 0)
        self.assertEqual([len(json.loads(line)["line"]) for line in done.stdout.splitlines()],
                         [65536, 5, 65536])
        self.assertEqual(done.stderr.splitlines(),
                         [b"bacowr-statsd: line 1 of the input is truncated after 65536 bytes"])

    def test_an_input_that_cannot_be_read(self) -> None:
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        done = subprocess.run(self.command(), stdin=folder, capture_output=True, timeout=30,
                              env=environment())
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"cannot read the standard input", done.stderr)

    def test_streams(self) -> None:
        """Each line is answered while the input is open."""
        with subprocess.Popen(self.command("--json"), stdin=subprocess.PIPE, env=environment(),
                              stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            for n in range(3):
                process.stdin.write(b"n%d:1|c\n" % n)
                process.stdin.flush()
                self.assertTrue(select.select([process.stdout], [], [], 20)[0])
                told = json.loads(process.stdout.readline())
                self.assertEqual(told["samples"][0]["series"]["text"], f"n{n}")
            process.stdin.close()
            self.assertEqual(process.wait(20), 0)


class TruthTest(ServerTest):
    def test_what_is_told_happens(self) -> None:
        """A server with the same mapping shows the same series and counts the same refusals."""
        server = self.start(mapping=MAPPING)
        lines = [line for line in [*SERIES, *REFUSED_LINES, *REFUSED_SAMPLES] if line[:2] != b"g:"]
        done = subprocess.run([str(binary()), f"--statsd.mapping-config={server.mapping_file}",
                               "explain", "--json"], input=b"\n".join(lines), timeout=30,
                              capture_output=True, env=environment(), check=True)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        server.send(*lines)
        page = server.settle()
        text = server.get("/metrics").body.decode()
        expected: dict[str, int] = {}
        for one in told:
            for part in [one, *one["samples"]]:
                if part["reason"]:
                    expected[part["reason"]] = expected.get(part["reason"], 0) + 1
                if part.get("series") and part["series"]["type"] in ("counter", "gauge", "set"):
                    self.assertIn(f"\n{part['series']['text']} ", text)
        self.assertEqual(page.refused(), expected)


if __name__ == "__main__":
    unittest.main()
