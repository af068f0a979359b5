# SPDX-License-Identifier: Apache-2.0
"""Limits: docs/limits.md tells of each with its flag and counter, and those flags do what it says."""

from __future__ import annotations

import re
import signal
import time
import unittest

from lib.harness import ROOT, ServerTest, read_all

TAG_ERRORS = "statsd_exporter_tag_errors_total"
TOO_LONG = "statsd_exporter_tcp_too_long_lines_total"
LOG_DROPPED = "bacowr_statsd_log_dropped_lines_total"

ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<flag>[^|]+) \| (?P<default>[^|]+) "
                 r"\| (?P<counter>[^|]+) \| (?P<beyond>[^|]+) \|$", re.MULTILINE)
# A row of the table of settings: its name, and the first of its defaults.
SETTING = re.compile(r'^    \{"([a-z.-]+)", SETTING_\w+, \w+, (FIELD|IGNORED).*?\{"([^"]*)"',
                     re.MULTILINE | re.DOTALL)
# Of flags, those that bound what peers can do.
BOUND = re.compile(r"max-|^web.timeout$|admin-timeout$|sources$|source-burst|-allow$|buffer|packet-length|ingest-threads")


def rows() -> list[dict[str, str]]:
    text = (ROOT / "docs" / "limits.md").read_text()
    return [m.groupdict() for m in ROW.finditer(text)
            if not set(m["flag"]) <= set("-") and m["flag"] != "flag"]


def settings() -> dict[str, str]:
    text = (ROOT / "src" / "conf" / "settings.c").read_text()
    return {name: default for name, kind, default in SETTING.findall(text) if kind == "FIELD"}


class DocumentTest(ServerTest):
    def test_flags_are_those_of_the_table(self) -> None:
        """Each flag that bounds something has a row with its default, and there is no other."""
        known = settings()
        told = {}
        for row in rows():
            for flag in re.findall(r"`--([a-z.-]+)`", row["flag"]):
                told[flag] = row["default"]
        self.assertEqual(set(told) - set(known), set())
        self.assertEqual({name for name in known if BOUND.search(name)}, set(told))
        for flag, default in told.items():
            value = known[flag]
            wanted = {"": "all", "0": "0: ", "0s": "0s: "}.get(value, value)
            self.assertTrue(default.startswith(wanted), f"--{flag}: {default!r} is not {value!r}")

    def test_counters_are_on_the_page(self) -> None:
        server = self.start("--statsd.relay.address=127.0.0.1:9")
        page = server.scrape()
        on_page = {(name, dict(labels).get("reason")) for family in page.families.values()
                   for name, labels in family.samples}
        names = {name for name, _ in on_page}
        self.assertGreater(len(rows()), 30)
        for row in rows():
            if row["counter"].startswith("none"):
                continue
            for text in re.findall(r"`([^`]+)`", row["counter"]):
                name, _, reason = text.removesuffix('"}').partition('{reason="')
                if name == "statsd_exporter_events_conflict_total":
                    continue  # has a series for each name, once there is one
                self.assertIn(name, names, row["what"])
                if reason:
                    self.assertIn((name, reason), on_page, row["what"])


class LimitTest(ServerTest):
    def test_tags_of_a_sample(self) -> None:
        server = self.start("--statsd.max-tags=3", "--statsd.max-tag-length=8")
        server.send("a:1|c|#k1:1,k2:2,k3:3,k4:4,k5:5", "b:1|c|#long:123456789,short:12345678",
                    "c,x=1,y=2,z=3,w=4:1|c")
        page = server.settle()
        self.assertEqual(page.value("a", k1="1", k2="2", k3="3"), 1)
        self.assertEqual(page.value("b", short="12345678"), 1)
        self.assertEqual(page.value("c", x="1", y="2", z="3"), 1)
        self.assertEqual(page.value(TAG_ERRORS), 2 + 1 + 1)

    def test_lines_of_a_stream(self) -> None:
        for limit in (64, 65536):
            server = self.start(f"--statsd.tcp-max-line={limit}")
            fits = b"a" * (limit - 1 - len(":1|s")) + b":1|s"
            with server.connect() as connection:
                connection.sendall(fits + b"\nok:1|c\n")
                server.eventually("both are in", lambda p: p.get("ok") == 1)
                connection.sendall(b"x" + fits + b"\nlost:1|c\n")
                self.assertEqual(read_all(connection), b"")
            page = server.scrape()
            self.assertEqual((page.value(TOO_LONG), page.get("lost")), (1, 0))

    def test_pieces_of_a_sample(self) -> None:
        """By both ways that a line takes, and with sections that are no part of what is measured."""
        for flags, most in (([], 6), (["--statsd.max-pieces=3"], 3), (["--statsd.max-pieces=9"], 9)):
            server = self.start(*flags)
            for prefix in ("plain:1|c", "packed:1:2|ms", "stamped:1|c|T5"):
                n_here = prefix.count("|") + 1
                fits = prefix + "|@1" * (most - n_here)
                server.send(fits, fits, fits + "|@1", fits + "|@1")
            page = server.settle()
            self.assertEqual((page.value("plain"), page.value("packed_count"),
                              page.value("stamped")), (2, 4, 2))
            self.assertEqual(page.refused(), {"malformed_component": 2 + 2 * 2 + 2})

    def test_work_of_a_regex(self) -> None:
        mapping = "mappings:\n- {match: '^(a|aa)+$', match_type: regex, name: hit}\n"
        name = "a" * 22 + "b:1|c"
        for flags, gives_up in (([], 1), (["--statsd.regex-max-steps=1000000"], 0)):
            server = self.start(*flags, mapping=mapping)
            server.send(name)
            page = server.settle()
            self.assertEqual(page.value("bacowr_statsd_regex_limit_total"), gives_up)
            self.assertEqual(page.value("a" * 22 + "b"), 1)

    def test_requests(self) -> None:
        server = self.start("--web.max-head=600", "--web.max-path=70", "--web.max-body=100")
        head = b"Host: x\r\nConnection: close\r\n"
        body = b"POST /x HTTP/1.1\r\n" + head + b"Content-Length: %d\r\n\r\n"
        for request, status in (
                (b"GET /%s HTTP/1.1\r\n%s\r\n" % (b"p" * 69, head), 404),
                (b"GET /%s HTTP/1.1\r\n%s\r\n" % (b"p" * 70, head), 414),
                (b"GET /-/healthy HTTP/1.1\r\n%sX: %s\r\n\r\n" % (head, b"y" * 500), 200),
                (b"GET /-/healthy HTTP/1.1\r\n%sX: %s\r\n\r\n" % (head, b"y" * 600), 431),
                (body % 100 + b"b" * 100, 404), (body % 101 + b"b" * 101, 413)):
            answer = server.raw(request)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (request, answer[:80]))
        page = server.scrape()
        for reason in ("head_too_large", "path_too_long", "body_too_large"):
            self.assertEqual(page.value("bacowr_statsd_http_refused_requests_total", reason=reason), 1)
        self.assertEqual(page.value("bacowr_statsd_http_bad_requests_total"), 3)

    def test_lines_of_the_log(self) -> None:
        server = self.start("--log.max-lines=2", mapping="mappings: []\n")
        before = len(server.log().splitlines())
        begin = time.monotonic()
        for _ in range(40):
            server.reload()
        seconds = time.monotonic() - begin
        page = server.scrape()
        written = len(server.log().splitlines()) - before
        self.assertLessEqual(written, 2 * (seconds + 2))
        self.assertGreaterEqual(page.value(LOG_DROPPED), 40 - written)
        server.signal(signal.SIGHUP)


if __name__ == "__main__":
    unittest.main()
