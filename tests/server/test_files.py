# SPDX-License-Identifier: Apache-2.0
"""A mapping in several files: their order, directories, and which file a message names."""

from __future__ import annotations

import signal
import unittest

from lib.harness import FolderTest, Ports, ServerTest, run, serve_flags, wait_until

ONE = "mappings:\n- match: a.x\n  name: first\n"
TWO = "mappings:\n- match: b.*\n  name: second\n- match: a.*\n  name: rest\n"
DEFAULTS = "defaults:\n  observer_type: histogram\n  buckets: [1]\n"
BAD = "mappings:\n- match: a\n  nmae: x\n"


def configs(*paths: object) -> list[str]:
    return [f"--statsd.mapping-config={path}" for path in paths]


class ServeTest(ServerTest, FolderTest):
    def test_order_is_that_of_the_flags(self) -> None:
        """The first rule wins, over all files; defaults of the last hold for the first."""
        one, two = self.file("one.yml", ONE), self.file("two.yml", TWO)
        server = self.start(*configs(two, one, self.file("d.yml", DEFAULTS)))
        server.send("a.x:1|c\nb.x:1|c\na.t:500|ms")
        page = server.settle()
        self.assertEqual(page.value("rest"), 1)
        self.assertNotIn("first", page.users())
        self.assertEqual(page.value("statsd_exporter_loaded_mappings"), 3)
        server.stop()
        server = self.start(*configs(one, two, self.file("d.yml", DEFAULTS)))
        server.send("a.x:1|c\nb.x:1|c\na.t:500|ms")
        page = server.settle()
        self.assertEqual((page.value("first"), page.value("second")), (1, 1))
        self.assertEqual(page.value("rest_bucket", le="1"), 1)
        self.assertIn(f"event=mapping_loaded file=\"{one} and 2 more\" rules=3", server.log())

    def test_directory(self) -> None:
        """In byte order; a reload sees what is new in it and what is gone."""
        self.file("maps/20.yml", TWO)
        self.file("maps/10.yaml", ONE)
        self.file("maps/README", "no mapping")
        self.file("maps/.10.yml.swp", "no mapping")
        server = self.start(*configs(self.folder / "maps"))
        server.send("a.x:1|c")
        self.assertEqual(server.settle().value("first"), 1)
        self.file("maps/05.yml", "mappings:\n- match: a.x\n  name: new\n")
        server.reload()
        server.send("a.x:1|c")
        self.assertEqual(server.settle().value("new"), 1)
        for name in ("05.yml", "10.yaml"):
            (self.folder / "maps" / name).unlink()
        server.reload()
        server.send("a.x:1|c")
        self.assertEqual(server.settle().value("rest"), 1)

    def test_a_bad_file_among_good_ones(self) -> None:
        """The rules from before go on, all of them."""
        one, two = self.file("one.yml", ONE), self.file("two.yml", TWO)
        server = self.start(*configs(one, two))
        self.file("two.yml", BAD)
        server.reload()
        self.assertIn(f"{two}:3:3: unknown key", server.log())
        server.send("a.x:1|c\nb.x:1|c")
        page = server.settle()
        self.assertEqual((page.value("first"), page.value("second")), (1, 1))

    def test_an_emptied_directory(self) -> None:
        only = self.file("maps/a.yml", ONE)
        server = self.start(*configs(self.folder / "maps"))
        only.unlink()
        server.signal(signal.SIGHUP)
        wait_until("the reload fails", lambda: "event=reload_failed" in server.log())
        self.assertIn("no file in this directory ends in .yml or .yaml", server.log())
        server.send("a.x:1|c")
        self.assertEqual(server.settle().value("first"), 1)


class CommandTest(FolderTest):
    def test_start_refuses(self) -> None:
        """An empty directory, and defaults twice, with both places."""
        empty = self.folder / "empty"
        empty.mkdir()
        done = run(*serve_flags(Ports(), configs(empty)))
        self.assertEqual(done.returncode, 1)
        self.assertIn("ends in .yml or .yaml; name a file, or put one there", done.stderr)
        one, two = self.file("1.yml", DEFAULTS), self.file("2.yml", "\n" + DEFAULTS)
        done = run(*serve_flags(Ports(), configs(one, two)))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{two}:2:1: defaults are already set at line 1 of {one} ", done.stderr)

    def test_check_looks_at_each_alone(self) -> None:
        """Two files with defaults are right one by one; a directory is one thing."""
        one, two = self.file("m/1.yml", ONE + DEFAULTS), self.file("m/2.yml", TWO + DEFAULTS)
        told = " ".join(run("help").stdout.split())
        self.assertIn("Each file or directory is checked separately", told)
        done = run("check", one, two)
        self.assertEqual((done.returncode, done.stdout),
                         (0, f"{one}: ok, 1 rules\n{two}: ok, 2 rules\n"))
        self.assertEqual(run("check", self.folder / "m").returncode, 1)
        self.file("m/2.yml", TWO)
        done = run("check", self.folder / "m")
        self.assertEqual(done.stdout, f"{self.folder / 'm'}: ok, 3 rules\n")

    def test_check_config_looks_at_all_together(self) -> None:
        one, two = self.file("1.yml", ONE), self.file("2.yml", TWO)
        graph = self.folder / "graph"
        done = run("--check-config", *configs(one, two), f"--debug.dump-fsm={graph}")
        self.assertEqual((done.returncode, done.stdout), (0, f"{one} and 1 more: ok, 3 rules\n"))
        self.assertIn("digraph", graph.read_text())
        done = run("--check-config", *configs(two, one))
        self.assertEqual(done.returncode, 0)
        self.assertIn(f'{one}:2:10: warning: "a.x" can never match: "a.*" at line 4 of {two}',
                      done.stderr)

    def test_explain_names_the_file(self) -> None:
        """Where there is more than one."""
        one, two = self.file("1.yml", ONE), self.file("2.yml", TWO)
        done = run(*configs(one, two), "explain", "a.x:1|c")
        self.assertIn(f"rule 1 (line 2 of {one}) glob a.x -> first  <- wins", done.stdout)
        self.assertIn(f"rule 3 (line 4 of {two}) glob a.* -> rest", done.stdout)
        self.assertIn("rule 1 (line 2) glob", run(*configs(one), "explain", "a.x:1|c").stdout)


if __name__ == "__main__":
    unittest.main()
