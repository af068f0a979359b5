# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: what it shows, that it follows, and that what came from the
wire stays text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lib import programs
from lib.harness import HOST, Server, ServerTest, free_port

HERE = Path(__file__).resolve().parent

MAPPING = """
mappings:
- {match: app.*, name: app_total, help: Calls of <b>apps</b>., labels: {app: $1}}
- {match: tpyo.*, name: never_total}
- {match: gone.*, name: gone, action: drop}
"""
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ESCAPES = "esc\x1b[2J\u202eape"
TABLES = ("families", "labels", "hot", "folded", "mapping", "refused", "unmapped", "senders",
          "listeners")
HELP = "Metric generated from StatsD samples by bacowr-statsd."
HIDDEN = "visible only to local or authenticated clients"
RULE = ["Rule", "Match", "Metric", "Defined at", "Identities matched", "Last new identity"]


def rows(seen: dict[str, Any], name: str) -> list[list[str]]:
    """A table without its ages, which are of the moment."""
    return [[re.sub(r"^(now|\d+ s ago)$", "AGO", cell) for cell in row] for row in seen[name]]


class StatusPageTest(ServerTest):
    def browse(self, server: Server, *script: list[str], path: str = "/") -> dict[str, Any]:
        """What the browser saw; it must have asked this server only, and had no complaint."""
        origin = f"http://{HOST}:{server.ports.web}"
        done = programs.run(["node", HERE / "status_page.js", origin + path, json.dumps(script)],
                            env={"NODE_PATH": str(programs.NODE_MODULES)})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        seen: dict[str, Any] = json.loads(done.stdout)
        if "failed" in seen:
            self.fail(f"{seen['failed']}\nat {seen['at']}, when this was seen:\n{seen['text']}")
        self.assertEqual(seen["wrong"], [])
        self.assertEqual([url for url in seen["asked"] if not url.startswith(origin + "/")], [])
        return seen

    def test_what_it_shows(self) -> None:
        """Families, rules, names, refused lines, listeners; hostile text as text, explained too."""
        server = self.start(mapping=MAPPING)
        server.send("app.a:1|c|#user:x", "app.b:1|c|#user:y", "lost.name:5|g", HOSTILE, ESCAPES,
                    f"app.a:1|c|#user:{HOSTILE}", "lost.name:1|c")
        server.settle()
        seen = self.browse(
            server,
            ["see", "#families td", "Calls of <b>apps</b>."],
            ["see", "#labels th", "user"],
            ["see", "#mapping tr.never td", "tpyo.*"],
            ["see", "#unmapped td", "lost.name:"],
            ["see", "#refused td", HOSTILE],
            ["see", "#refused td", "esc\\u001b[2J\\u202eape"],
            ["see", "#reasons h3", "conflict"],
            ["see", "#listeners code", f"{HOST}:{server.ports.udp}"],
            ["see", "#server dd", "mapping.yml"],
            ["type", "#lines", f"app.z:1|c|#k:{HOSTILE}\n{HOSTILE}\ntpyo:1|c"],
            ["focus", "#explain button"], ["key", "Enter"],
            ["see", "#explained code", 'app_total{app="z",k="<img src=x onerror=alert(1)>'],
            ["see", "#explained p", "Refused: malformed_line"],
            ["see", "#explained p", "No rule matches."],
            ["see", "#explained li", "the name has 1 segment, the rule expects 2"],
            ["texts", "told", "#explained p"], ["texts", "best", "#explained li.good"],
            ["texts", "what", "#explained h3"],
            ["type", "#lines", "lost.name:1|c\ngone.x:1|c|@0.5\n_e{1,1}:a|b\ntime:1:2|ms"],
            ["focus", "#lines"], ["key", "Control+Enter"],
            ["see", "#explained p", "Refused: conflict: lost_name is already a gauge; counted in "
                                    "statsd_exporter_events_conflict_total"],
            ["see", "#explained p", "Dropped by the mapping"],
            ["see", "#explained p", "A DogStatsD event"],
            ["see", "#explained p", "Parsed as observer time: observes 0.002"],
            ["count", "bad", "#explained .bad"],
            ["type", "#lines", "a:1|c\n" * 120], ["key", "Control+Enter"],
            ["see", "#explained p", "There were more lines"],
            ["excuse"], ["type", "#lines", "a" * 3000], ["key", "Control+Enter"],
            ["see", "#explained p", "A line is too long for this page"],
            ["count", "images", "img, #content script"],
            ["nameless", "nameless"])
        self.assertEqual((seen["images"], seen["nameless"]), (0, []))
        self.assertEqual(seen["told"][0], f"Parsed as counter app.z with tags k={HOSTILE}: adds 1")
        self.assertEqual(seen["told"][1][:39], 'Exposed as counter app_total{app="z",k=')
        self.assertEqual(seen["best"], ["Rule 1 (mapping.yml:3) app.*: matches"])
        self.assertEqual(seen["what"], [f"app.z:1|c|#k:{HOSTILE}", HOSTILE, "tpyo:1|c"])
        self.assertEqual(seen["bad"], 1)  # the refused sample; no event is

    def test_each_table(self) -> None:
        """Every cell, as it was sent; the newest, largest, given ones first."""
        server = self.start("--statsd.sources=8", "--statsd.max-series-per-family=4",
                            mapping=MAPPING)
        server.send("lost.name:5|g", "lost.name:1|c", "app.a:1|c|#user:x")
        server.send(*(f"app.b{i}:1|c|#user:y" for i in range(5)))
        server.settle()
        server.send("y" * 300, f"{'z' * 200}:1|g", "gone.x:1|c")
        server.stream("tpyo:1|c\n" * 9991)
        server.settle(lines=10002)
        server.write_mapping("mappings: [}")
        server.reload()
        seen = self.browse(
            server, ["see", "#folded td", "user: about"], ["see", "#senders td", "10.0 k"],
            ["see", "#server dd", "failed"], ["see", "#server dd", " s ago"],
            ["see", "#unmapped td", "tpyo"], ["see", "#refused td", "yyy"],
            ["see", "#mapping td", "tpyo.*"], ["see", "#families td", "gauge"],
            ["see", "#rates p", "10.0 k total"],
            *(["rows", name, "#" + name] for name in TABLES), ["rows", "flags", "#flags"],
            ["texts", "heads", "h2"], ["texts", "note", "#mapping-state"],
            ["attributes", "never", "#mapping tbody tr", "class"],
            ["attributes", "title", "#mapping tbody span", "title"],
            ["attributes", "scopes", "#families th", "scope"],
            ["attributes", "regions", ".scroll", "aria-label"],
            ["attributes", "stops", ".scroll", "tabindex"],
            ["texts", "dt", "#server dt"], ["texts", "dd", "#server dd"],
            ["attributes", "how", "#server dd", "class"], ["texts", "cards", "#rates .card"],
            ["looks", "ground", "body", "backgroundColor"],
            ["proxied"], ["see", "#refused td", HIDDEN],
            ["see", "#unmapped td", HIDDEN],
            ["see", "#senders p", f"Senders are {HIDDEN}."])
        self.check_tables(seen, server)
        self.check_server(seen, server)
        self.assertNotEqual(*seen["ground"])

    def check_tables(self, seen: dict[str, Any], server: Server) -> None:
        where = f"{server.mapping_file.name}:" if server.mapping_file else ""
        expected = {
            "families": [["Family", "Type", "Series", "Last sample", "Help"],
                         ["app_total", "counter", "5", "AGO", "Calls of <b>apps</b>."],
                         ["lost_name", "gauge", "1", "AGO", HELP],
                         ["tpyo", "counter", "1", "AGO", HELP],
                         ["z" * 200, "gauge", "1", "AGO", HELP]],
            "labels": [["Label", "Values", "Series"], ["app", "4", "4"],
                       ["user", "2", "4"], ["overflow", "1", "1"]],
            "hot": [["Family", "Label", "Values"], ["app_total", "app", "about 4"],
                    ["app_total", "user", "about 2"]],
            "folded": [["Family over a limit", "Identities", "Values by label"],
                       ["app_total", "about 2", "app: about 2, user: about 1"]],
            "mapping": [RULE, ["1", "app.*", "app_total", where + "3", "6", "AGO"],
                        ["2", "tpyo.*", "never_total", where + "4", "none yet", "never"],
                        ["3", "gone.*", "dropped", where + "5", "1", "AGO"]],
            "refused": [["Reason", "Line", "Sender", "Received"],
                        ["malformed_line", "y" * 240 + " \u2026", HOST, "AGO"],
                        ["conflict", "lost.name:1|c", HOST, "AGO"]],
            "unmapped": [["Name", "Example", "Identities", "Last new identity"],
                         ["tpyo", "tpyo:1|c", "1", "AGO"],
                         ["z" * 120 + " \u2026", f"{'z' * 200}:1|g", "1", "AGO"],
                         ["lost.name", "lost.name:1|c", "2", "AGO"]],
            "senders": [["Address", "Lines", "Possible overcount", "Datagrams", "Bytes",
                         "Refused lines", "Series created", "Rate-limited", "Last seen"],
                        [HOST, "10.0 k", "0", "11", "88.4 KiB", "1", "8", "0", "AGO"]],
        }
        for name, table in expected.items():
            with self.subTest(name):
                self.assertEqual(rows(seen, name), table)
        self.assertEqual([row[:4] for row in seen["listeners"]],
                         [["Transport", "Address", "Datagrams", "Lost"],
                          ["udp", f"{HOST}:{server.ports.udp}", "11", "0"],
                          ["tcp", f"{HOST}:{server.ports.tcp}", "", ""]])
        self.assertRegex(seen["listeners"][1][4], r"^\d\S+ [KM]iB(, \S+ MiB recommended)?$")
        self.assertIn(["--statsd.sources", "8", "set"], seen["flags"])
        self.assertIn(["--web.telemetry-path", "/metrics", "default"], seen["flags"])
        kinds = [row[2] for row in seen["flags"][1:]]
        self.assertEqual(kinds, sorted(kinds, reverse=True), "those that are set first")
        self.assertEqual(seen["never"], [None, "never", None])
        self.assertEqual(seen["title"][0], f"{server.mapping_file}:3")
        self.assertEqual(seen["scopes"], ["col"] * 5 + ["row"] * 4)
        self.assertEqual(set(seen["stops"]), {"0"})
        self.assertEqual(seen["regions"], [
            "Refused lines", "Families", "Labels", "Labels with the most values",
            "Families over a limit", "Rules", "Unmapped names", "Senders", "Listeners",
            "Flags"])

    def check_server(self, seen: dict[str, Any], server: Server) -> None:
        self.assertEqual(seen["heads"][3], "Metric families: 4 of 4, 7 series total")
        self.assertIn("3 rules; 1 without a match since the mapping was loaded.", seen["note"][0])
        told = dict(zip(seen["dt"], seen["dd"]))
        self.assertEqual((told["Ready"], told["Mapping"]), ("yes", str(server.mapping_file)))
        self.assertRegex(told["Rules"], r"^3, loaded (now|\d+ s ago)$")
        self.assertEqual(told["Reloads"], "0 succeeded, 1 failed")
        self.assertRegex(told["Last reload"], "^failed, the previous rules stay active: .*yml:1:12: ")
        self.assertIn("--statsd.max-series-per-family=4 --statsd.sources=8", told["Flags set"])
        self.assertEqual((told["Series limit"], told["Ingest threads"]), ("1.00 M", "1"))
        self.assertRegex(told["Memory"], r"^\d+\.\d [KM]iB$")
        self.assertRegex(told["CPU time"], r"^\d+\.\d s$")
        self.assertRegex(told["File descriptors"], r"^\d+ of \d+$")
        self.assertEqual(told["Process ID"], str(server.process.pid))
        how = dict(zip(seen["dt"], seen["how"]))
        self.assertEqual((how["Ready"], how["Last reload"]), ("good", "bad-text"))
        for words in (r"^Lines\S+ /s10\.0 k total$", r"^Bytes.+ /s88\.4 KiB total$",
                      r"^Lost datagrams0 /s0 total$", r"^Unmapped\S+ /s9994 total$",
                      r"^Dropped by the mapping\S+ /s1 total$", r"^Series created\S+ /s8 total$"):
            self.assertTrue(any(re.match(words, card) for card in seen["cards"]),
                            f"{words} in {seen['cards']}")

    def test_it_follows(self) -> None:
        """What comes later is shown without a reload of the page; Pause holds it; a server that
        does not answer is told of."""
        server = self.start(mapping=MAPPING)
        seen = self.browse(
            server,
            ["see", "#refused p", "No refused lines."],
            ["see", "#reasons p", "Nothing was refused."],
            ["see", "#families p", "No active families."],
            ["see", "#labels p", "None of these series has labels."],
            ["see", "#unmapped p", "None, or the mapping has no rules."],
            ["see", "#senders p", "not tracked. To track them, start the server with --statsd.sources=256."],
            ["see", "#state", "Live"], ["see", "#rates svg", ""],
            ["see", "#silence p", "No lines received since the start. The server listens on "
                                  f"udp {HOST}:{server.ports.udp}, tcp {HOST}:{server.ports.tcp}."],
            ["send", str(free_port()), "to.nobody:1|c"],
            ["send", str(server.ports.udp), "app.later:1|c\nno colon"],
            ["see", "#refused td", "no colon"], ["gone", "#silence p", "No lines"],
            ["see", "#no-port p", "for UDP ports without a listener"],
            ["gone", "#reasons p", "Nothing was refused"],
            ["see", "#rates small", "2 total"],
            ["see", "#reasons h3", "malformed_line"], ["see", "#reasons .bad small", "1 total"],
            ["attributes", "roles", "#state, #rates svg", "role"],
            ["attributes", "live", "#explained", "aria-live"],
            ["attributes", "curve", "#rates path", "d"],
            ["attributes", "label", "#rates svg", "aria-label"],
            ["attributes", "bad", "#rates .card", "class"],
            ["focus", "#pause"], ["key", "Space"],
            ["see", "#state", "Paused"], ["see", "#pause", "Resume"],
            ["attributes", "pressed", "#pause", "aria-pressed"],
            ["quiet", "settling", "300"], ["quiet", "paused", "2300"], ["see", "#state", "Paused"],
            ["key", "Space"], ["see", "#state", "Live"],
            ["hide", "hiding", "yes"], ["quiet", "hidden", "2300"], ["hide", "shown", "no"],
            ["unplug"], ["see", "#state.bad", "Update failed"],
            ["type", "#lines", "a:1|c"], ["focus", "#lines"], ["key", "Control+Enter"],
            ["see", "#explained p", "Explaining failed"])
        self.assertEqual((seen["paused"], seen["pressed"]), (0, ["true"]))
        self.assertEqual(seen["hidden"], 0)
        self.assertGreater(seen["shown"], 4)  # all at once
        self.assertNotIn("card bad", seen["bad"])
        self.assertEqual(seen["roles"], ["status", *["img"] * len(seen["bad"])])
        self.assertEqual(seen["live"], ["polite"])
        self.assertTrue(any(re.search(r"rates\?since=[1-9]", url) for url in seen["asked"]))
        self.check_curve(server, seen["curve"][0], seen["label"][0])

    def check_curve(self, server: Server, curve: str, label: str) -> None:
        """The rates of the API, the newest at the right, and the same in words."""
        match = re.fullmatch(r"Lines per second in the last (\d+) s: now (\S+), maximum (\S+)", label)
        assert match, label
        told = json.loads(server.get("/api/v1/rates").body)
        values = told["rates"]["lines"][:int(match[1])]
        most = max(values)
        self.assertEqual(match[3], f"{most:.1f}" if most % 1 else f"{most:.0f}")
        points = [f"{i * 100 / (len(values) - 1):.2f},{29 - value * 28 / most:.2f}"
                  for i, value in enumerate(values)]
        self.assertEqual(curve, "M0,30 L" + " L".join(points) + " L100,30")

    def test_by_keyboard(self) -> None:
        """The tab key reaches everything, links first; a search narrows what is shown."""
        server = self.start(mapping=MAPPING)
        server.send("app.a:1|c", "zebra:1|g")
        server.settle()
        seen = self.browse(
            server, ["see", "#families th", "zebra"], ["tab", "reached", "8"],
            ["type", "#match-families", "ZEB"], ["gone", "#families th", "app_total"],
            ["see", "#families th", "zebra"], ["focus", "#never"], ["key", "Space"],
            ["gone", "#mapping td", "app.*"], ["see", "#mapping td", "tpyo.*"],
            ["type", "#match-mapping", "no such"], ["focus", "#match-mapping"], ["key", "Enter"],
            ["soon", "#mapping p", "No rule matches the filter."],
            ["type", "#match-families", "no such"], ["focus", "#match-families"],
            ["key", "Enter"], ["soon", "#families p", "No family name matches the filter."],
            ["texts", "heads", "h2"])
        self.assertIn("Metric families: 0 of 2, 2 series total", seen["heads"])
        self.assertEqual(seen["reached"][:5], ["Skip to content", "Metrics", "Health",
                                               "Readiness", "pause"])
        self.assertIn("lines", seen["reached"])


if __name__ == "__main__":
    import unittest

    unittest.main()
