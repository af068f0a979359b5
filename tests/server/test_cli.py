# SPDX-License-Identifier: Apache-2.0
"""The command line: commands, flags, exit codes, and how an operator's mistake is answered."""

from __future__ import annotations

import re
import signal
import unittest

from lib.harness import ROOT, Ports, ServerTest, new_folder, run, serve_flags

# A file, the place of its mistake, and the word that must be named.
MISTAKES = {
    "mappings:\n- match: a.*\n  nmae: x\n": ("3:3", "nmae"),
    "mappings:\n- match: a.*\n  name: x\n  name: y\n": ("4:3", "name"),
    "mappings:\n- match: a..b\n  name: x\n": ("2:10", "a..b"),
    "mappings:\n- match: a.*\n  name: x-y\n": ("3:9", "x-y"),
    "mappings:\n- match: a.*\n  name: x\n  ttl: soon\n": ("4:8", "soon"),
    "mappings:\n- match: a(\n  match_type: regex\n  name: x\n": ("2:10", "("),
    "mappings:\n- match: a.*\n  name: x\n  observer_type: histogram\n"
    "  histogram_options: {buckets: [2, 1]}\n": ("5:36", "1"),
    "mappings: [\n": ("2:1", ""),
    "defaults: {ttl: 1s\nmappings: []\n": ("2:", ""),
}


class FlagsTest(unittest.TestCase):
    def test_help_and_version(self) -> None:
        for flag in ("--help", "-h"):
            done = run(flag)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for name in ("--statsd.listen-udp", "--statsd.mapping-config", "--web.listen-address"):
                self.assertIn(name, done.stdout)
        done = run("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("bacowr-statsd", done.stdout)

    def test_the_document_has_every_flag(self) -> None:
        """And no other; --flag and --switch show how flags are spelled."""
        flags = set(re.findall(r"^  --(?:\[no-\])?([a-z.-]+)", run("--help").stdout, re.MULTILINE))
        self.assertGreater(len(flags), 80)
        text = (ROOT / "docs" / "flags.md").read_text()
        told = set(re.findall(r"`--([a-z.-]+)", text)) - {"flag", "switch", "no-switch"}
        self.assertEqual(told, flags)

    def test_help_of_a_command(self) -> None:
        """Its own flags, and a word of the others; a command without any has the whole."""
        done = run("tap", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("usage: bacowr-statsd tap [FLAG...]\n", done.stdout)
        self.assertIn("  --match=TEXT\n", done.stdout)
        self.assertNotIn("  --statsd.listen-udp", done.stdout)
        self.assertIn("  --to=", run("replay", "-h").stdout)
        for words in (("healthy", "--help"), ("man", "--help"), ("--help", "tap"),
                      ("tap", "--help-long")):
            self.assertIn("  --statsd.listen-udp", run(*words).stdout, words)

    def test_mistakes(self) -> None:
        """Status 1, one clear message, and no socket was opened for it."""
        cases = {
            ("--statsd.listen-udb=x",): "--statsd.listen-udb",
            ("--statsd.listen-udp=127.0.0.1",): "127.0.0.1",
            ("--statsd.listen-udp=127.0.0.1:99999",): "99999",
            ("--statsd.ingest-threads=0",): "ingest-threads",
            ("--statsd.ingest-threads=many",): "many",
            ("--log.level=loud",): "loud",
            ("--statsd.read-buffer=-1",): "-1",
            ("--statsd.listen-udp=", "--statsd.listen-tcp="): "listen",
            ("--statsd.mapping-config=/nonexistent/file.yml",): "/nonexistent/file.yml",
            ("--statsd.valueless-tags=maybe",): "choose one of error, true, empty, ignore",
            ("--statsd.service-checks=",): "choose one of count, gauge",
            ("--statsd.gauge-mode=Delta",): "choose one of delta, absolute, etsy",
            ("--statsd.exemplar-tag=trace.id",): "trace.id",
            ("--statsd.exemplar-tag=a", "--statsd.exemplar-tag=a"): "twice",
            tuple(f"--statsd.exemplar-tag=k{i}" for i in range(5)): "k4",
            ("--web.telemetry-path=/-/ready",): "/-/ready",
            ("--web.telemetry-path=/-/quit", "--web.enable-lifecycle"): "/-/quit",
            ("frobnicate",): "frobnicate",
        }
        for flags, word in cases.items():
            with self.subTest(flags):
                done = run(*serve_flags(Ports(), flags))
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stdout, "")


class FlagSpellingTest(ServerTest):
    def test_both_spellings_and_what_is_ignored(self) -> None:
        """--a=v and --a v; flags without meaning here are accepted and said to be so, once."""
        server = self.start("--log.level", "info", "--statsd.cache-size=500",
                            "--statsd.event-queue-size", "10", "--no-statsd.parse-librato-tags")
        self.assertEqual(server.log().count("statsd.cache-size"), 1)
        self.assertEqual(server.log().count("statsd.event-queue-size"), 1)

    def test_json_logs(self) -> None:
        server = self.start("--log.format=json")
        server.stop()
        for line in server.log().splitlines():
            self.assertTrue(line.startswith("{") and line.endswith("}"), line)

    def test_both_signals_end_it_in_order(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start()
            server.send("a:1|c")
            server.signal(number)
            self.assertEqual(server.process.wait(20), 0)


class CheckTest(unittest.TestCase):
    def setUp(self) -> None:
        self.file = self.enterContext(new_folder()) / "mapping.yml"

    def test_good_files(self) -> None:
        for name in ("bacowr.yml", "example.yml"):
            file = str(ROOT / "conf" / name)
            self.assertEqual(run("check", file).returncode, 0)
            self.assertEqual(run("--check-config", f"--statsd.mapping-config={file}").returncode, 0)
        self.assertEqual(run("--check-config").returncode, 0)

    def test_mistakes_are_told_with_their_place(self) -> None:
        for text, (place, word) in MISTAKES.items():
            self.file.write_text(text)
            for command in (["check", str(self.file)],
                            ["--check-config", f"--statsd.mapping-config={self.file}"]):
                with self.subTest(text=text, command=command[0]):
                    done = run(*command)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"mapping.yml:{place}", done.stderr)
                    self.assertIn(word, done.stderr)

    def test_an_unknown_key_gets_a_suggestion(self) -> None:
        self.file.write_text("mappings:\n- match: a.*\n  nmae: x\n")
        self.assertRegex(run("check", str(self.file)).stderr, r"\bname\b")

    def test_a_rule_that_can_never_match_is_a_warning(self) -> None:
        """It names the rule that hides it."""
        self.file.write_text("mappings:\n- match: a.*\n  name: all_of_a\n"
                             "- match: a.b\n  name: never\n")
        done = run("check", str(self.file))
        self.assertEqual(done.returncode, 0)
        self.assertIn("mapping.yml:4:", done.stdout + done.stderr)
        self.assertIn("a.*", done.stdout + done.stderr)

    def test_what_flags_make_of_a_rule_is_a_warning(self) -> None:
        self.file.write_text("mappings:\n- match: a.*\n  name: x\n  ttl: 30s\n"
                             "  match_labels: {trace_id: '*'}\n")
        flags = ("--web.zero-first=1m", "--statsd.exemplar-tag=trace_id")
        for command in (["check", str(self.file)],
                        ["--check-config", f"--statsd.mapping-config={self.file}"]):
            with self.subTest(command=command[0]):
                self.assertEqual(run(*command).stderr, "")
                done = run(*flags, *command)
                self.assertEqual(done.returncode, 0)
                for flag in flags:
                    self.assertRegex(done.stderr,
                                     f"mapping.yml:2:3: warning: .*{flag.partition('=')[0]}")

    def test_old_keys_are_a_warning(self) -> None:
        """And say what to write instead."""
        self.file.write_text("defaults: {timer_type: histogram}\nmappings:\n- match: a.*\n"
                             "  name: x\n  buckets: [1, 2]\n")
        done = run("check", str(self.file))
        self.assertEqual(done.returncode, 0)
        for place, word in (("1:12", "observer_type"), ("5:3", "histogram_options")):
            self.assertIn(f"mapping.yml:{place}", done.stderr)
            self.assertIn(word, done.stderr)


class ExplainTest(unittest.TestCase):
    CONFIG = f"--statsd.mapping-config={ROOT / 'conf' / 'bacowr.yml'}"

    def test_a_line_and_its_series(self) -> None:
        done = run("explain", "some.thing:2|c|@0.5|#k:v")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for part in ("counter", "0.5", 'some_thing{k="v"}'):
            self.assertIn(part, done.stdout)

    def test_the_rule_that_takes_it(self) -> None:
        done = run(self.CONFIG, "explain",
                   "api_requests_total:1|c|#endpoint:/jobs,method:GET,status:200")
        self.assertEqual(done.returncode, 0)
        self.assertIn('api_requests_total{endpoint="/jobs",method="GET",status="200"}', done.stdout)

    def test_a_service_check(self) -> None:
        """Told as what it becomes."""
        done = run("explain", "_sc|db.up|2|h:web1")
        self.assertIn("otherwise ignored", done.stdout)
        done = run("--statsd.service-checks=gauge", "explain", "_sc|db.up|2|h:web1\n_sc|db|7")
        for part in ('"_sc|db.up|2|h:web1"', 'db_up_status{host="web1"}', "sets 2",
                     "malformed_service_check"):
            self.assertIn(part, done.stdout)

    def test_signs_are_told_as_they_are_meant(self) -> None:
        self.assertIn("changes by -3", run("explain", "g:-3|g").stdout)
        done = run("--statsd.gauge-mode=absolute", "explain", "g:-3|g")
        self.assertIn("sets -3", done.stdout)

    def test_a_line_that_is_refused(self) -> None:
        done = run("explain", "some.thing:x|c")
        self.assertIn("malformed_value", done.stdout)


if __name__ == "__main__":
    unittest.main()
