# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: what it shows, that it follows, and that what came from the
wire stays text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lib import programs
from lib.harness import HOST, Server, ServerTest

HERE = Path(__file__).resolve().parent

MAPPING = """
mappings:
- {match: app.*, name: app_total, help: Calls of the application., labels: {app: $1}}
- {match: tpyo.*, name: never_total}
"""
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ESCAPES = "esc\x1b[2J\u202eape"
TABLES = ("#refused", "#families", "#mapping", "#unmapped", "#listeners", "#labels")


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
            ["see", "#families td", "Calls of the application."],
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
            ["see", "#explained p", "No rule takes it."],
            ["see", "#explained li", "the name has 1 segments, the rule 2"],
            ["count", "images", "img, #content script"],
            ["nameless", "nameless"])
        self.assertEqual((seen["images"], seen["nameless"]), (0, []))

    def test_it_follows(self) -> None:
        """What comes later is shown without a reload of the page; Pause holds it."""
        server = self.start(mapping=MAPPING)
        self.browse(server,
                    ["see", "#refused p", "No refused line is remembered."],
                    ["see", "#families p", "No family is alive."],
                    ["see", "#state", "Live"],
                    ["send", str(server.ports.udp), "app.later:1|c\nno colon"],
                    ["see", "#refused td", "no colon"],
                    ["see", "#rates small", "2 in all"],
                    ["focus", "#pause"], ["key", "Space"],
                    ["see", "#state", "Paused"])

    def test_by_keyboard(self) -> None:
        """The tab key reaches everything, links first; a search narrows what is shown."""
        server = self.start(mapping=MAPPING)
        server.send("app.a:1|c", "zebra:1|g")
        server.settle()
        seen = self.browse(
            server, ["see", "#families th", "zebra"], ["tab", "reached", "8"],
            ["type", "#match-families", "ZEB"], ["gone", "#families th", "app_total"],
            ["see", "#families th", "zebra"], ["focus", "#never"], ["key", "Space"],
            ["gone", "#mapping td", "app.*"], ["see", "#mapping td", "tpyo.*"])
        self.assertEqual(seen["reached"][:5], ["Skip to the content", "Metrics", "Health",
                                               "Readiness", "pause"])
        self.assertIn("lines", seen["reached"])


if __name__ == "__main__":
    import unittest

    unittest.main()
