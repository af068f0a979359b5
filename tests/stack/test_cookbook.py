# SPDX-License-Identifier: Apache-2.0
"""Every recipe of docs/cookbook.md: with its mapping, its lines become its page."""

from __future__ import annotations

import unittest

from lib import documents
from lib.harness import Server, ServerTest, run

FILE = "docs/cookbook.md"
MIN_RECIPES = 12


def shown(server: Server) -> str:
    """The page without comments and without the server's own families."""
    families = server.scrape().families
    kept, own = "", True
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith("# TYPE "):
            own = families[line.split()[2]].own
        elif not own and not line.startswith("#"):
            kept += line + "\n"
    return kept


class CookbookTest(ServerTest):
    def test_each_recipe(self) -> None:
        recipes = documents.chapters(FILE)
        self.assertGreaterEqual(len(recipes), MIN_RECIPES)
        for name, (mapping, lines, page) in recipes.items():
            with self.subTest(name):
                server = self.start(mapping=mapping)
                done = run("check", server.mapping_file)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                server.send(lines)
                server.settle()
                self.assertEqual(shown(server), page)
                server.stop()


if __name__ == "__main__":
    unittest.main()
