# SPDX-License-Identifier: Apache-2.0
"""Live clients: what real StatsD libraries and tools send today arrives as meant."""

from __future__ import annotations

import signal
import unittest
from pathlib import Path

from lib import programs
from lib.harness import HOST, ROOT, ServerTest, free_port, wait_until

HERE = Path(__file__).resolve().parent

PYTHON_STATSD = """
import statsd, sys
client = getattr(statsd, sys.argv[1])(host="127.0.0.1", port=int(sys.argv[2]), prefix="py")
client.incr("hits"); client.incr("hits", 4); client.decr("down")
client.gauge("level", 42); client.gauge("level", 3, delta=True); client.gauge("below", -7)
client.timing("took", 320); client.set("users", "ann"); client.set("users", "bob")
with client.timer("block"):
    pass
with client.pipeline() as pipe:
    for i in range(100):
        pipe.incr("piped")
if hasattr(client, "close"):
    client.close()
"""

GUNICORN = ROOT / "conf" / "examples" / "gunicorn.yml"


class SendersTest(ServerTest):
    def check_python_statsd(self, kind: str) -> None:
        server = self.start()
        port = server.ports.tcp if kind == "TCPStatsClient" else server.ports.udp
        done = programs.run([programs.PYTHON, "-c", PYTHON_STATSD, kind, str(port)])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        page = server.eventually("the last line", lambda p: p.get("py_piped") == 100)
        self.assertEqual((page.value("py_hits"), page.value("py_level"), page.value("py_below")),
                         (5, 45, -7))
        self.assertEqual((page.value("py_took_sum"), page.value("py_block_count")), (0.32, 1))
        self.assertEqual(page.value("py_users"), 2)
        self.assertEqual(page.refused(), {"illegal_negative_counter": 1})

    def test_python_statsd_by_udp(self) -> None:
        self.check_python_statsd("StatsClient")

    def test_python_statsd_by_tcp(self) -> None:
        self.check_python_statsd("TCPStatsClient")

    def check_hot_shots(self, protocol: str) -> None:
        server = self.start()
        port = server.ports.tcp if protocol == "tcp" else server.ports.udp
        done = programs.run(["node", HERE / "hot_shots.js", str(port), protocol],
                            env={"NODE_PATH": str(programs.NODE_MODULES)})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        page = server.eventually("the last lines", lambda p: p.get("hs_loop", env="test") == 500)
        self.assertEqual(page.value("hs_hits", env="test"), 5)
        self.assertEqual(page.total("hs_coded", env="test", code="200"), 2)
        self.assertEqual(page.value("hs_level", env="test"), 10.5)
        sums = [page.value(f"hs_{name}_sum", env="test") for name in ("took", "size", "spread")]
        self.assertEqual(sums, [0.32, 12.25, 7])
        self.assertEqual(page.value("hs_users", env="test"), 2)
        self.assertEqual(page.refused(), {"illegal_negative_counter": 1, "dogstatsd_event": 1,
                                          "dogstatsd_service_check": 1})

    def test_hot_shots_by_udp(self) -> None:
        self.check_hot_shots("udp")

    def test_hot_shots_by_tcp(self) -> None:
        self.check_hot_shots("tcp")

    def test_gunicorn(self) -> None:
        """Its own instrumentation, under real requests, through the shipped mapping."""
        server = self.start(mapping=GUNICORN.read_bytes())
        port = free_port()
        master = programs.start(self, "gunicorn", [
            "/usr/bin/gunicorn", "--bind", f"{HOST}:{port}", "--workers", "2",
            "--statsd-host", f"{HOST}:{server.ports.udp}", "--statsd-prefix", "shop",
            "wsgi:app"], HERE, {"PYTHONDONTWRITEBYTECODE": "1"})
        wait_until("gunicorn answers", programs.answers(port, "/"))
        # gunicorn reports a request after its answer, and of the three lines the status is last.
        responses = "gunicorn_responses_total"
        server.eventually("the look whether it answers", lambda p: p.total(responses) == 1)
        asked = {"/": 20, "/201": 5, "/404": 3, "/500": 2}
        for path, n in asked.items():
            for _ in range(n):
                programs.request(port, path)
        page = server.eventually("all requests", lambda p: p.total(responses) == 31)
        counts = {status: page.value(responses, app="shop", status=status)
                  for status in ("200", "201", "404", "500")}
        self.assertEqual(counts, {"200": 21, "201": 5, "404": 3, "500": 2})
        self.assertEqual(page.value("gunicorn_requests_total", app="shop"), 31)
        self.assertEqual(page.value("gunicorn_request_duration_seconds_count", app="shop"), 31)
        workers = "gunicorn_workers"
        server.eventually("two workers", lambda p: p.get(workers, app="shop") == 2)
        master.send_signal(signal.SIGTTOU)
        page = server.eventually("one worker less", lambda p: p.get(workers, app="shop") == 1)
        self.assertEqual(page.refused(), {})
        self.assertEqual(page.value("statsd_exporter_events_unmapped_total"), 0)

    def test_a_shell(self) -> None:
        """bash alone is a StatsD client, by UDP and TCP."""
        server = self.start()
        udp, tcp = (f"/dev/{kind}/{HOST}/{port}" for kind, port in
                    (("udp", server.ports.udp), ("tcp", server.ports.tcp)))
        script = (f"echo 'sh.hits:1|c' >{udp}\n"
                  f"printf 'sh.hits:2|c\\r\\nsh.level:5|g\\r\\n' >{udp}\n"
                  f"printf 'sh.hits:%d|c\\n' 3 4 5 >{tcp}\n")
        self.assertEqual(programs.run(["bash", "-c", script]).returncode, 0)
        page = server.eventually("all lines", lambda p: p.get("sh_hits") == 15)
        self.assertEqual((page.value("sh_level"), page.refused()), (5, {}))

    def test_curl_reads_the_page(self) -> None:
        """Plain, compressed, and headers only."""
        server = self.start()
        server.send("curl.hits:3|c")
        server.settle()
        url = f"http://{HOST}:{server.ports.web}/metrics"
        for options in ([], ["--compressed"], ["--http1.0"]):
            done = programs.run(["curl", "-sS", "--fail", *options, url])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("\ncurl_hits 3\n", done.stdout)
        head = programs.run(["curl", "-sS", "--fail", "--head", url])
        self.assertEqual(head.returncode, 0)
        self.assertIn("200 OK", head.stdout)


if __name__ == "__main__":
    unittest.main()
