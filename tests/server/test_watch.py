# SPDX-License-Identifier: Apache-2.0
"""--config.watch: a mapping that changes is loaded by itself, however it changes."""

from __future__ import annotations

import signal
import time
import unittest
from pathlib import Path

from lib.harness import FolderTest, Server, ServerTest

LOOK_SECONDS = 1.0


def mapping(name: str) -> str:
    return f"mappings:\n- match: w.*\n  name: {name}\n"


BROKEN = "mappings:\n- match: w.*\n  nmae: x\n"


class WatchTest(ServerTest, FolderTest):
    def watch(self, *paths: Path) -> Server:
        return self.start("--config.watch",
                          *(f"--statsd.mapping-config={path}" for path in paths))

    def wait_for(self, server: Server, name: str) -> None:
        """Until the rules name it so."""
        def named(page: object) -> bool:
            server.send("w.x:1|c")
            time.sleep(0.1)
            return name in server.scrape().users()

        server.eventually(f"{name} is in force", named)

    def changes(self, server: Server) -> int:
        return server.log().count("event=mapping_changed")

    def quiet(self, seconds: float) -> None:
        time.sleep(seconds)  # that nothing happens takes time to see

    def test_a_file_that_is_replaced(self) -> None:
        """By a rename, twice; each is told once, and nothing is loaded without a change."""
        path = self.file("m.yml", mapping("one"))
        server = self.watch(path)
        for name in ("two", "three"):
            self.file("new", mapping(name)).rename(path)
            self.wait_for(server, name)
        self.quiet(2.5 * LOOK_SECONDS)
        self.assertEqual(self.changes(server), 2)
        self.assertEqual(server.log().count("event=reload_started"), 2)

    def test_an_edit_in_place(self) -> None:
        """Even one of the same length."""
        path = self.file("m.yml", mapping("one"))
        server = self.watch(path)
        with open(path, "r+", encoding="utf-8") as file:
            file.write(mapping("two"))
        self.wait_for(server, "two")

    def test_a_file_that_is_written_slowly(self) -> None:
        """Truncated, then line by line: it is loaded when it is whole, and only then."""
        path = self.file("m.yml", mapping("one"))
        server = self.watch(path)
        with open(path, "w", encoding="utf-8") as file:
            for piece in ("mappings:\n- mat", "ch: w.*\n", "  na", "me: t", "wo\n", "  help: 't",
                          "wo'\n"):
                file.write(piece)
                file.flush()
                time.sleep(0.6 * LOOK_SECONDS)
                self.assertEqual(self.changes(server), 0)
        self.wait_for(server, "two")
        self.assertEqual(self.changes(server), 1)
        self.assertNotIn("reload_failed", server.log())

    def test_a_file_that_goes_and_comes_back(self) -> None:
        path = self.file("m.yml", mapping("one"))
        server = self.watch(path)
        path.unlink()
        server.eventually("the loss is told", lambda page: "reload_failed" in server.log())
        self.assertIn("no such file", server.log())
        self.wait_for(server, "one")  # goes on
        self.file("m.yml", mapping("two"))
        self.wait_for(server, "two")

    def test_a_broken_file(self) -> None:
        """Told once; the old rules go on, and the next change is loaded."""
        path = self.file("m.yml", mapping("one"))
        server = self.watch(path)
        self.file("m.yml", BROKEN)
        server.eventually("it is refused", lambda page: "reload_failed" in server.log())
        self.quiet(2.5 * LOOK_SECONDS)
        self.assertEqual(server.log().count("event=reload_failed"), 1)
        self.wait_for(server, "one")
        self.file("m.yml", mapping("two"))
        self.wait_for(server, "two")

    def config_map(self, version: str, name: str) -> None:
        """What the kubelet does: a new directory, a new link beside, and a rename."""
        self.file(f"..{version}/m.yml", mapping(name))
        new = self.folder / "..data_tmp"
        new.symlink_to(f"..{version}")
        new.rename(self.folder / "..data")

    def test_a_config_map(self) -> None:
        """The file's link stays as it is; the link to its directory is swapped."""
        self.config_map("2026_01", "one")
        link = self.folder / "m.yml"
        link.symlink_to("..data/m.yml")
        by_file, by_folder = self.watch(link), self.watch(self.folder)
        for version, name in (("2026_02", "two"), ("2026_03", "three")):
            self.config_map(version, name)
            self.wait_for(by_file, name)
            self.wait_for(by_folder, name)
        self.assertEqual((self.changes(by_file), self.changes(by_folder)), (2, 2))

    def test_a_directory(self) -> None:
        """A new file in it, an edit of one, one that goes; what is no mapping is nothing new."""
        self.file("maps/20.yml", mapping("one"))
        server = self.watch(self.folder / "maps")
        self.file("maps/10.yml", mapping("new"))
        self.wait_for(server, "new")
        self.file("maps/10.yml", mapping("edited"))
        self.wait_for(server, "edited")
        (self.folder / "maps/10.yml").rename(self.folder / "maps/30.yml")
        self.file("maps/20.yml", mapping("back"))
        self.wait_for(server, "back")
        before = self.changes(server)
        self.file("maps/.20.yml.swp", "x")
        self.file("maps/notes.txt", "x")
        self.quiet(2.5 * LOOK_SECONDS)
        self.assertEqual(self.changes(server), before)

    def test_signals_go_on(self) -> None:
        server = self.watch(self.file("m.yml", mapping("one")))
        server.signal(signal.SIGHUP)
        server.eventually("it is loaded", lambda page: "event=reload_done" in server.log())
        self.assertEqual(self.changes(server), 0)

    def test_off_by_default(self) -> None:
        server = self.start(mapping=mapping("one"))
        server.write_mapping(mapping("two"))
        self.quiet(2.5 * LOOK_SECONDS)
        self.assertNotIn("mapping_changed", server.log())
        self.wait_for(server, "one")

    def test_nothing_to_watch(self) -> None:
        server = self.start("--config.watch")
        self.assertRegex(server.log(), r"level=warn event=watch_ignored .*--statsd\.mapping-config")


if __name__ == "__main__":
    unittest.main()
