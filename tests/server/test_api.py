# SPDX-License-Identifier: Apache-2.0
"""The documents below /api/v1/: their keys, what they tell of what was sent, and who is told."""

from __future__ import annotations

import json
import re
import signal
import socket
import unittest
from typing import Any

from lib.harness import ROOT, Response, Server, ServerTest, StartError, new_folder, wait_until

MAPPING = """
mappings:
- {match: app.*, name: app_total, help: Calls., labels: {app: $1}}
- {match: never.*, name: never_total}
- {match: gone.*, name: gone, action: drop}
"""

DATAGRAMS = "statsd_exporter_udp_packets_total"
LOST = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
HOSTILE = "<script>alert(1)</script>\x1b[2J"

RULE = {"number", "file", "line", "match", "match_type", "action", "name", "identities",
        "last_identity_age_seconds"}
KEYS: dict[str, set[str]] = {
    "status": {"version", "ready", "uptime_seconds", "ingest_threads", "series_limit",
               "lines_shown", "senders_known", "process", "listeners", "udp_no_port_datagrams",
               "mapping", "flags"},
    "rates": {"step_seconds", "from", "end", "rates", "refused_rates", "totals", "refused_totals"},
    "families": {"series", "total", "matched", "matched_series", "families", "labels",
                 "labels_left_out"},
    "mapping": {"lines_shown", "generation", "total", "counted", "rules", "matched", "never"},
    "unmapped": {"lines_shown", "unmapped"},
    "refused": {"lines_shown", "refused"},
}


class ApiTest(ServerTest):
    def document(self, server: Server, name: str, **headers: str) -> dict[str, Any]:
        answer = server.get(f"/api/v1/{name}", headers=headers)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(answer.headers["cross-origin-resource-policy"], "same-origin")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertNotIn("access-control-allow-origin", answer.headers)
        told: dict[str, Any] = json.loads(answer.body)
        return told

    def loaded(self, *flags: str) -> Server:
        server = self.start(*flags, mapping=MAPPING)
        server.send("app.a:1|c|#user:x", "app.b:2|c|#user:y", "gone.x:1|c", "other:5|g", HOSTILE,
                    "app.a:-1|c", "other:1|c")
        server.settle()
        return server

    def test_index(self) -> None:
        """It names what the first table of docs/api.md names, and each answers."""
        server = self.start()
        told = self.document(server, "")["documents"]
        text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("\n## ")[0]
        named = set(re.findall(r"^\| `(/api/v1/\w*)` \|", text, re.MULTILINE))
        self.assertEqual({row["path"] for row in told}, named)
        for row in told:
            answer = server.get(row["path"], method=row["method"])
            self.assertEqual(answer.status, 200, row)
        self.assertEqual([row["path"] for row in told if row["local_only"]],
                         ["/api/v1/identities", "/api/v1/sources"])

    def test_keys(self) -> None:
        """All that docs/api.md promises, no more and no less."""
        server = self.loaded()
        text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
        for name, keys in KEYS.items():
            with self.subTest(name):
                told = self.document(server, name)
                self.assertEqual(set(told), keys)
                self.assertIn(f"`/api/v1/{name}", text)
                for key in keys:
                    self.assertIn(f"`{key}`", text, name)

    def test_head(self) -> None:
        server = self.start()
        answer = server.get("/api/v1/status", "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_mapping(self) -> None:
        server = self.loaded()
        told = self.document(server, "mapping")
        self.assertEqual([set(rule) for rule in told["rules"]], [RULE] * 3)
        self.assertEqual([rule["identities"] for rule in told["rules"]], [2, 0, 1])
        self.assertEqual((told["total"], told["matched"], told["never"]), (3, 3, 1))
        self.assertIsNone(told["rules"][1]["last_identity_age_seconds"])
        told = self.document(server, "mapping?never=1")
        self.assertEqual([rule["number"] for rule in told["rules"]], [2])
        told = self.document(server, "mapping?match=APP%5F&limit=5")
        self.assertEqual([rule["number"] for rule in told["rules"]], [1])

    def test_refused_lines(self) -> None:
        server = self.loaded()
        told = {row["reason"]: row for row in self.document(server, "refused")["refused"]}
        self.assertEqual({reason: row["line"] for reason, row in told.items()},
                         {"malformed_line": HOSTILE, "illegal_negative_counter": "app.a:-1|c",
                          "conflict": "other:1|c"})
        row = told["malformed_line"]
        self.assertEqual(set(row), {"reason", "counter", "age_seconds", "line", "line_cut",
                                    "source"})
        self.assertEqual(row["counter"], "statsd_exporter_sample_errors_total")
        self.assertLess(row["age_seconds"], 60)

    def sources(self, server: Server) -> dict[str, str | None]:
        return {row["line"]: row["source"] for row in self.document(server, "refused")["refused"]}

    def test_source_of_refused_lines(self) -> None:
        """Who sent them: over TCP at once; over UDP from the next one on."""
        with new_folder() as folder:
            path = folder / "in.sock"
            server = self.start(f"--statsd.listen-unixgram={path}")
            server.stream("by tcp\n")
            wait_until("it came", lambda: "by tcp" in self.sources(server))
            self.assertEqual(self.sources(server)["by tcp"], "127.0.0.1")
            count = iter(range(1000))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
                udp.bind(("127.0.0.2", 0))
                local.connect(str(path))

                def told() -> dict[str, str | None]:
                    udp.sendto(f"bad {next(count)}".encode(), ("127.0.0.1", server.ports.udp))
                    local.send(b"local:1|odd")
                    return self.sources(server)

                wait_until("its sender is told", lambda: "127.0.0.2" in told().values())
            sources = self.sources(server)
            self.assertIsNone(sources["local:1|odd"])
            for line, source in sources.items():
                self.assertIn(source, (None, "127.0.0.2") if line.startswith("bad") else
                              (None, "127.0.0.1"), line)
            told_far = self.document(server, "refused", **{"X-Forwarded-For": "192.0.2.1"})
            self.assertNotIn("127.0.0.2", json.dumps(told_far))

    def test_source_where_senders_are_told_apart(self) -> None:
        server = self.start("--statsd.sources=16")
        server.send("good:1|c")
        server.send("bad one")
        server.settle()
        self.assertEqual(self.sources(server), {"bad one": "127.0.0.1"})

    def test_unmapped_names(self) -> None:
        server = self.loaded()
        (row,) = [row for row in self.document(server, "unmapped")["unmapped"]
                  if row["line"] == "other:5|g" or row["name"] == "other"]
        self.assertEqual(row["name"], "other")
        self.assertEqual(set(row), {"name", "name_cut", "identities", "last_identity_age_seconds",
                                    "age_seconds", "line",
                                    "line_cut", "source"})

    def test_families(self) -> None:
        server = self.loaded()
        told = self.document(server, "families")
        rows = {row["name"]: row for row in told["families"]}
        self.assertEqual(set(rows), {"app_total", "other"})
        self.assertEqual({key: rows["app_total"][key] for key in ("type", "help", "series")},
                         {"type": "counter", "help": "Calls.", "series": 2})
        self.assertEqual(rows["app_total"].keys(), {"name", "type", "help", "series",
                                                    "last_seen_age_seconds"})
        self.assertEqual({row["name"]: row["values"] for row in told["labels"]},
                         {"app": 2, "user": 2})
        told = self.document(server, "families?match=oth&limit=1")
        self.assertEqual([row["name"] for row in told["families"]], ["other"])
        self.assertEqual((told["total"], told["matched"]), (2, 1))

    def test_rates(self) -> None:
        """What lies between two notes is told; who has some of it is told the rest."""
        server = self.loaded()
        first = wait_until("two steps", lambda: (told := self.document(server, "rates"))["end"] >= 2
                           and told)
        n = first["end"] - first["from"]
        self.assertTrue(all(len(row) == n for row in first["rates"].values()))
        self.assertEqual(first["totals"]["lines"], 7)
        self.assertLessEqual(sum(first["rates"]["lines"]), 7.1)
        self.assertEqual(first["refused_totals"],
                         {"malformed_line": 1, "illegal_negative_counter": 1, "conflict": 1})
        self.assertEqual(first["refused_rates"].keys(), first["refused_totals"].keys())
        later = self.document(server, f"rates?since={first['end']}")
        self.assertEqual(later["from"], first["end"])
        self.assertEqual(self.document(server, "rates?since=999999")["from"], 0)

    def test_totals(self) -> None:
        """Those that are not the engine's are the metrics page's."""
        server = self.start("--statsd.read-buffer=4096")
        server.signal(signal.SIGSTOP)
        try:
            server.send(*["a:1|c"] * 300)
        finally:
            server.signal(signal.SIGCONT)
        for _ in range(3):
            server.stream("a:1|c\n")
        server.eventually("all are accounted for", lambda p: p.value(DATAGRAMS) + p.total(LOST) == 300
                          and p.value("statsd_exporter_lines_total") == p.value(DATAGRAMS) + 3)
        page = server.scrape()
        told = self.document(server, "rates")["totals"]
        self.assertGreater(told["lost_datagrams"], 0)
        self.assertEqual((told["datagrams"], told["lost_datagrams"], told["connections"]),
                         (page.value(DATAGRAMS), page.total(LOST), 3))
        self.assertEqual(told["bytes"], 5 * told["datagrams"] + 18)
        self.assertEqual(told["scrapes"],
                         page.value("promhttp_metric_handler_requests_total", code="200") + 1)

    def test_warnings_of_the_mapping(self) -> None:
        server = self.start(mapping="mappings:\n- {match: a.*, name: x}\n- {match: a.*, name: yy}\n")
        self.assertEqual(self.document(server, "status")["mapping"]["warnings"],
                         len(re.findall("event=mapping_warning", server.log())))
        self.assertGreater(self.document(server, "status")["mapping"]["warnings"], 0)

    def test_status(self) -> None:
        server = self.loaded("--web.max-connections=99", "--no-web.enable-lifecycle")
        told = self.document(server, "status")
        self.assertTrue(told["ready"])
        self.assertEqual(told["mapping"]["files"], [str(server.mapping_file)])
        self.assertEqual((told["mapping"]["rules"], told["mapping"]["error"]), (3, None))
        self.assertEqual([row["transport"] for row in told["listeners"]], ["udp", "tcp"])
        self.assertEqual(told["listeners"][0]["address"], f"127.0.0.1:{server.ports.udp}")
        flags = {row["name"]: row for row in told["flags"]}
        self.assertEqual(flags["web.max-connections"],
                         {"name": "web.max-connections", "given": True, "values": ["99"]})
        self.assertEqual(flags["web.enable-lifecycle"]["values"], ["false"])
        self.assertEqual(flags["web.telemetry-path"],
                         {"name": "web.telemetry-path", "given": False, "values": ["/metrics"]})

    def test_a_reload_that_failed(self) -> None:
        server = self.start(mapping=MAPPING)
        server.write_mapping("mappings: [}")
        server.reload()
        told = self.document(server, "status")["mapping"]
        self.assertFalse(told["last_reload_good"])
        self.assertIn("mapping.yml:1:12", told["error"])
        self.assertEqual((told["reloads_failed"], told["rules"]), (1, 3))

    # ---- explain ----

    def explain(self, server: Server, body: str, **headers: str) -> Response:
        return server.get("/api/v1/explain", "POST", headers=headers, body=body.encode())

    def test_explain(self) -> None:
        server = self.start(mapping=MAPPING)
        told = json.loads(self.explain(server, "app.z:1|c\r\nbad\n\nx:1|g").body)
        self.assertEqual([line["outcome"] for line in told["lines"]],
                         ["samples", "refused", "empty", "samples"])
        self.assertEqual(told["lines"][0]["samples"][0]["series"]["text"], 'app_total{app="z"}')
        self.assertEqual(told["lines"][1]["reason"], "malformed_line")
        self.assertTrue(told["all"])
        self.assertEqual(self.document(server, "families")["total"], 0)  # nothing was made
        self.assertEqual(json.loads(self.explain(server, "").body), {"lines": [], "all": True})

    def test_explain_is_bounded(self) -> None:
        server = self.start(mapping=MAPPING)
        told = json.loads(self.explain(server, "x:1|c\n" * 200).body)
        self.assertEqual((len(told["lines"]), told["all"]), (100, False))
        self.assertEqual(self.explain(server, "x" * 3000).status, 400)
        self.assertEqual(self.explain(server, "x\n" * 10000).status, 413)

    def test_a_line_of_many_samples_holds_nobody_up(self) -> None:
        """Against many rules the first samples are explained, the rest is counted."""
        rules = "".join(f"- {{match: 'app.r{i}.*.*', name: r{i}}}\n" for i in range(5000))
        server = self.start(mapping="mappings:\n" + rules)
        told = json.loads(self.explain(server, "app.r7.x.y:1|c" + ":1|c" * 500).body)
        (line,) = told["lines"]
        self.assertEqual((len(line["samples"]), line["more_samples"]), (3, 498))
        self.assertEqual(line["samples"][0]["series"]["name"], "r7")

    def test_explain_answers_as_the_command(self) -> None:
        """The table of keys in docs/commands.md holds for both."""
        server = self.start(mapping=MAPPING)
        (line,) = json.loads(self.explain(server, HOSTILE).body)["lines"]
        self.assertEqual((line["line"], line["outcome"]), (HOSTILE, "refused"))

    # ---- who asks, and how ----

    def test_wrong_questions(self) -> None:
        server = self.start()
        for path, status in (("families?limit=x", 400), ("families?limit=1001", 400),
                             ("mapping?never=2", 400), ("rates?since=-1", 400),
                             (f"families?match={'x' * 600}", 414), ("nothing", 404), ("status/", 404)):
            with self.subTest(path):
                self.assertEqual(server.get(f"/api/v1/{path}").status, status)
        self.assertEqual(server.get("/api/v1/explain").status, 405)
        self.assertEqual(server.get("/api/v1/explain").headers["allow"], "POST")
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(server.get("/api/v1/status", method).status, 405)

    def test_a_foreign_origin_gets_nothing(self) -> None:
        server = self.loaded()
        own = f"http://127.0.0.1:{server.ports.web}"
        for name in KEYS:
            for origin in ("http://evil.example", "null", f"{own}.evil.example", own + "0"):
                with self.subTest(name, origin=origin):
                    answer = server.get(f"/api/v1/{name}", headers={"Origin": origin})
                    self.assertEqual(answer.status, 403)
                    self.assertNotIn(b"app", answer.body)
            self.document(server, name, Origin=own)
        evil = {"Origin": "http://evil.example"}
        self.assertEqual(server.get("/api/v1/cardinality", headers=evil).status, 403)
        self.assertEqual(self.explain(server, "x:1|c", **evil).status, 403)
        self.assertEqual(self.explain(server, "x:1|c", Origin=own).status, 200)

    def test_a_foreign_name_that_leads_here_gets_nothing(self) -> None:
        """A name of somebody else that was made to lead to 127.0.0.1."""
        server = self.loaded()
        for name in KEYS:
            answer = server.get(f"/api/v1/{name}", headers={"Host": "evil.example"})
            self.assertEqual(answer.status, 403)
            self.document(server, name, Host=f"localhost:{server.ports.web}")
        evil = {"Host": "evil.example", "Origin": "http://evil.example"}
        self.assertEqual(self.explain(server, "x:1|c", **evil).status, 403)
        self.assertEqual(server.get("/api/v1/cardinality", headers=evil).status, 403)
        self.assertEqual(server.get("/metrics", headers={"Host": "evil.example"}).status, 200)

    def test_lines_are_not_for_who_was_passed_on(self) -> None:
        server = self.loaded()
        for name, rows in (("refused", "refused"), ("unmapped", "unmapped")):
            told = self.document(server, name, **{"X-Forwarded-For": "192.0.2.1"})
            self.assertFalse(told["lines_shown"])
            self.assertTrue(told[rows])
            for row in told[rows]:
                self.assertEqual((row["line"], row["source"]), (None, None))

    def test_many_families_take_turns(self) -> None:
        """A long walk is made in steps; a client that leaves in between leaves nothing behind."""
        server = self.start()
        for first in range(0, 12000, 400):
            server.send("\n".join(f"f{i % 100}:1|c|#id:{i}" for i in range(first, first + 400)))
        server.settle()
        for _ in range(5):
            with server.web() as connection:
                connection.sendall(b"GET /api/v1/families HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = self.document(server, "families?limit=3")
        self.assertEqual((told["series"], told["total"], len(told["families"])), (12000, 100, 3))
        (label,) = told["labels"]
        self.assertTrue(label["estimated"])
        self.assertAlmostEqual(label["values"], 12000, delta=1800)


class PageTest(ServerTest):
    def test_the_page_runs_nothing_but_its_own(self) -> None:
        server = self.start()
        answer = server.get("/")
        policy = dict(part.strip().split(" ", 1) for part in
                      answer.headers["content-security-policy"].split(";"))
        self.assertEqual(policy["default-src"], "'none'")
        for name in ("style-src", "script-src"):
            self.assertRegex(policy[name], r"^'sha256-[A-Za-z0-9+/]{43}='$")
        self.assertEqual((policy["connect-src"], policy["frame-ancestors"]), ("'self'", "'none'"))
        self.assertNotIn(b"http://", answer.body.replace(b"http://www.w3.org/2000/svg", b""))
        self.assertNotIn(b"innerHTML", answer.body)
        self.assertNotIn(b"{{", answer.body)
        self.assertLess(len(answer.body), 32 * 1024)

    def test_links_without_a_script(self) -> None:
        server = self.start("--web.telemetry-path=/a\"<b>&c")
        self.assertIn(b'href="/a&quot;&lt;b&gt;&amp;c"', server.get("/").body)

    def test_telemetry_path_hides_no_document(self) -> None:
        with self.assertRaisesRegex(StartError, "is reserved by the server"):
            self.start("--web.telemetry-path=/api/v1/status")


if __name__ == "__main__":
    unittest.main()
