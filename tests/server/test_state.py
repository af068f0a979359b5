# SPDX-License-Identifier: Apache-2.0
"""--state.file: what is counted outlives the process, and no count is ever shown twice.

Each test ends a server in some way and starts another one on the same file.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
import unittest
from unittest import mock

from lib import harness
from lib.harness import Ports, Server, ServerTest, new_folder

MAPPING = """\
mappings:
- {match: h, name: h, observer_type: histogram, histogram_options: {buckets: [1, 10]}}
- {match: s, name: s, observer_type: summary}
- {match: short, name: short, ttl: 1h}
"""
LINES = "c_total:3|c\nc_total:0.1|c\nc_total:2|c|#a:b\ng:1.5|g\nh:0.5|h\nh:7|h\ns:4|ms\nu:x|s\nu:y|s\nshort:1|c"
SAVES = "bacowr_statsd_state_saves_total"
LOADED = "bacowr_statsd_state_loaded_series"
REFUSED = "bacowr_statsd_state_refused_files_total"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def of_senders(text: str) -> list[str]:
    """Lines of senders' series, without quantiles, which begin anew."""
    return [line for line in text.splitlines() if not line.startswith("#") and "quantile=" not in line
            and line.split("{")[0].split(" ")[0].split("_")[0] in ("c", "g", "h", "s", "u", "short")]


class ServerOfNoPower(Server):
    """Root may write everywhere; root without this capability may not."""
    if os.geteuid() == 0:
        runner = ("setpriv", "--bounding-set=-dac_override", "--")


class StateTest(ServerTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        self.path = self.folder / "state"
        self.ports = Ports()

    def serve(self, *flags: str, mapping: str = MAPPING) -> Server:
        return self.start(f"--state.file={self.path}", "--web.enable-openmetrics", *flags,
                          mapping=mapping, ports=self.ports)

    def serve_mortal(self, *flags: str) -> Server:
        """One that will be killed, which is no orderly end."""
        flags = (f"--state.file={self.path}", "--web.enable-openmetrics", *flags)
        server = Server(flags, MAPPING, self.id() + "-mortal", self.ports)
        self.addCleanup(server.kill)
        return server

    def fill(self, server: Server) -> Server:
        server.send(LINES)
        server.settle()
        return server

    def filled(self, *flags: str) -> Server:
        return self.fill(self.serve(*flags))

    def page(self, server: Server) -> list[str]:
        return of_senders(server.get("/metrics", headers=OPENMETRICS).body.decode())

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def test_clean_restarts(self) -> None:
        """Everything goes on, times of creation too, as often as it is restarted."""
        server = self.filled()
        before = self.page(server)
        self.assertTrue(any(line.startswith("c_created") for line in before), before)
        for round in range(3):
            server.stop()
            self.assertEqual(self.left(), ["state"])
            self.assertTrue(self.path.read_bytes().startswith(b"bacowr-statsd state clean\n"))
            server = self.serve()
            self.assertEqual(self.page(server), before)
            self.assertTrue(self.path.read_bytes().startswith(b"bacowr-statsd state taken\n"))
        self.assertEqual(server.scrape().value(LOADED, outcome="restored"), 7)
        server.send(LINES)
        page = server.settle()
        self.assertEqual(page.value("c_total"), 2 * 3.1)
        self.assertEqual(page.value("h_count"), 4)
        self.assertEqual(page.value("s_count"), 2)
        self.assertEqual(page.value("u"), 2)

    def test_several_threads(self) -> None:
        """The number of threads is nobody's business but the process's."""
        server = self.filled("--statsd.ingest-threads=3")
        server.stop()
        server = self.serve()
        server.send(LINES)
        self.assertEqual(server.settle().value("h_count"), 4)
        server.stop()
        server = self.serve("--statsd.ingest-threads=2")
        self.assertEqual(server.scrape().value("h_count"), 4)

    def test_killed(self) -> None:
        """Counts begin at 0 with a new time of creation, gauges and sets are as last saved."""
        server = self.fill(self.serve_mortal("--state.interval=100ms"))
        created = [line for line in self.page(server) if line.startswith("c_created")]
        saved = server.scrape().value(SAVES, outcome="success")
        server.eventually("two savings", lambda p: p.value(SAVES, outcome="success") >= saved + 2)
        self.assertTrue(self.path.read_bytes().startswith(b"bacowr-statsd state alive\n"))
        server.kill()
        server = self.serve()
        page = server.scrape()
        self.assertEqual((page.value("g"), page.value("u")), (1.5, 2))
        self.assertNotIn("c_total", page.families)
        self.assertNotIn("h", page.families)
        server.send("c_total:1|c")
        self.assertEqual(server.settle().value("c_total"), 1)
        now = [line for line in self.page(server) if line.startswith("c_created")]
        self.assertGreater(float(now[0].split()[1]), float(created[0].split()[1]))

    def test_killed_after_a_clean_restart(self) -> None:
        """A clean file serves once: what it held was shown, and more was counted since."""
        self.filled().stop()
        server = self.serve_mortal()
        self.assertEqual(server.scrape().value("c_total"), 3.1)
        server.kill()
        page = self.serve().scrape()
        self.assertNotIn("c_total", page.families)
        self.assertEqual(page.value("g"), 1.5)
        self.assertEqual(page.value(LOADED, outcome="not_clean"), 5)

    def test_a_start_that_fails_takes_nothing(self) -> None:
        """Its ports are taken: the file is as clean as before."""
        self.filled().stop()
        other = self.start(ports=self.ports)
        done = harness.run(*harness.serve_flags(self.ports, [f"--state.file={self.path}"]))
        self.assertEqual(done.returncode, 1, done.stderr)
        other.stop()
        self.assertEqual(self.serve().scrape().value("c_total"), 3.1)

    def test_too_old(self) -> None:
        """Gauges and sets of long ago are left out; counters of a clean end are not."""
        self.filled().stop()
        time.sleep(0.3)
        page = self.serve("--state.max-age=100ms").scrape()
        self.assertEqual(page.value("c_total"), 3.1)
        self.assertNotIn("g", page.families)
        self.assertEqual(page.value(LOADED, outcome="too_old"), 2)

    def test_damaged(self) -> None:
        """It is set aside, counted and told of, whatever it is; and replaced at the end."""
        self.filled().stop()
        good = self.path.read_bytes()
        cases = {
            "damaged": [good[:-1], good[:200], good[:100] + b"\0" + good[101:], good + b"x"],
            "foreign": [b"", b"# HELP up\n", b"x" * 5000, b"bacowr-statsd state quick\n" + good[26:],
                        good[:26] + b"y" * 5000],
            "version": [good[:34] + b"\x07" + good[35:]],
        }
        for reason, texts in cases.items():
            for text in texts:
                with self.subTest(reason=reason, text=text[:40]):
                    self.path.write_bytes(text)
                    server = self.serve()
                    page = server.scrape()
                    self.assertEqual(page.value(REFUSED, reason=reason), 1)
                    self.assertNotIn("c_total", page.families)
                    self.assertIn("state_refused", server.log())
                    server.stop()
                    aside = self.path.with_name(f"state.{reason}")
                    self.assertEqual(aside.read_bytes(), text)
                    aside.unlink()
        self.assertEqual(self.left(), ["state"])

    def test_other_rules(self) -> None:
        """Rules that changed meanwhile hold for what comes; what was counted goes on under them."""
        self.filled().stop()
        server = self.serve(mapping=MAPPING.replace("[1, 10]", "[5, 10]"))
        server.send("h:2|h")
        server.settle()
        page = server.eventually("the buckets have changed",
                                 lambda p: p.total("h_bucket", le="5") > 0)
        self.assertEqual((page.value("h_bucket", le="5"), page.value("h_count")), (1, 3))
        server.send("h:3|h")
        page = server.settle()
        self.assertEqual((page.value("h_bucket", le="5"), page.value("h_bucket", le="10"),
                          page.value("h_count")), (2, 4, 4))

    def test_full_disk(self) -> None:
        """A saving that fails is counted, leaves the file from before, and nothing else."""
        self.filled().stop()
        before = self.path.read_bytes()
        limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))}
        popen = subprocess.Popen
        with mock.patch.object(subprocess, "Popen", lambda *a, **k: popen(*a, **k, **limits)):
            server = self.serve("--state.interval=100ms")
        many = ["\n".join(f"g{i}.{j}:1|g" for j in range(50)) for i in range(10)]
        server.send(*many)
        page = server.eventually("a failed saving", lambda p: p.value(SAVES, outcome="failure") > 0)
        server.send("c_total:1|c")
        server.eventually("it goes on", lambda p: p.value("c_total") == 4.1)
        server.stop()
        self.assertIn("state_save_failed", server.log())
        self.assertEqual(self.left(), ["state"])
        self.assertEqual(len(self.path.read_bytes()) > 0, True)
        self.assertNotEqual(self.path.read_bytes()[:26], before[:26])  # it was taken up

    def test_no_place(self) -> None:
        """What can never be a file is a mistake of the operator's."""
        for path in (self.folder / "none" / "state", self.folder):
            done = harness.run(*harness.serve_flags(Ports(), [f"--state.file={path}"]))
            self.assertEqual(done.returncode, 1)
            self.assertIn("--state.file", done.stderr)

    def test_links_and_pipes(self) -> None:
        """Somebody put them there: nothing behind them is written to, nobody waits for a writer."""
        other = self.folder / "other"
        other.write_text("not ours\n")
        self.path.symlink_to(other)
        temporary = self.folder / "state.tmp"
        temporary.symlink_to(other)
        server = self.filled("--state.interval=100ms")
        page = server.eventually("no saving by a link",
                                 lambda p: p.value(SAVES, outcome="failure") > 0)
        self.assertEqual(page.value(REFUSED, reason="foreign"), 1)
        self.assertTrue((self.folder / "state.foreign").is_symlink())
        temporary.unlink()
        os.mkfifo(temporary)
        failed = page.value(SAVES, outcome="failure")
        server.eventually("no saving into a pipe",
                          lambda p: p.value(SAVES, outcome="failure") > failed + 1)
        temporary.unlink()
        server.stop()
        self.assertEqual(other.read_text(), "not ours\n")
        self.assertFalse(self.path.is_symlink())
        self.assertEqual(self.page(self.serve())[0], "c_total 3.1")
        self.path.unlink()
        os.mkfifo(self.path)
        done = harness.run(*harness.serve_flags(Ports(), [f"--state.file={self.path}"]))
        self.assertEqual((done.returncode, "--state.file" in done.stderr), (1, True))

    def test_read_only(self) -> None:
        """A file that cannot be marked as taken up gives no counts: it could give them twice."""
        self.filled().stop()
        self.path.chmod(0o400)
        flags = (f"--state.file={self.path}", "--web.enable-openmetrics")
        with ServerOfNoPower(flags, MAPPING, self.id(), self.ports) as server:
            page = server.scrape()
        self.assertNotIn("c_total", page.families)
        self.assertEqual(page.value("g"), 1.5)

    def test_a_folder_that_is_read_only(self) -> None:
        """It is told at the start, not only by the saving at the end."""
        self.folder.chmod(0o500)
        self.addCleanup(self.folder.chmod, 0o700)
        flags = (f"--state.file={self.path}",)
        with ServerOfNoPower(flags, MAPPING, self.id(), self.ports) as server:
            self.assertRegex(server.log(), r"level=warn event=state_not_writable file=\S+/state "
                                           r'error="Permission denied"')
        self.assertIn("state_save_failed", server.log())
        self.folder.chmod(0o700)
        server = self.serve()
        self.assertNotIn("state_not_writable", server.log())

    def test_under_load(self) -> None:
        """Restarts while lines come by TCP: what was sent is what is counted, never less than was
        shown."""
        n_sent, shown = 0, 0.0
        for round in range(4):
            server = self.serve("--state.interval=50ms")
            with server.connect() as connection:
                for piece in range(50):
                    connection.sendall(b"load:1|c\nlg:%d|g\nlh:2|ms\n" % piece * 40)
                    n_sent += 40
            page = server.settle()
            self.assertGreaterEqual(page.get("load"), shown)
            shown = page.get("load")
            server.stop()
        page = self.serve().scrape()
        self.assertEqual((page.value("load"), page.value("lh_count")), (n_sent, n_sent))

    def test_datagrams_of_the_last_moment(self) -> None:
        """What was in the sockets when the end came was taken in before the last saving."""
        server = self.serve()
        server.send("last:1|c")
        server.settle()
        server.signal(signal.SIGSTOP)
        for _ in range(100):
            server.send("last:1|c")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        self.assertEqual(server.process.wait(harness.STOP_SECONDS), 0)
        self.assertEqual(self.serve().scrape().value("last"), 101)


if __name__ == "__main__":
    unittest.main()
