# SPDX-License-Identifier: Apache-2.0
"""The whole stack, as `make demo` starts it: the application in four workers, the aggregator,
Prometheus, Alertmanager; and the queries of docs/monitoring.md, asked of it.

--fast shortens what a test cannot wait for: scrapes, rules and heartbeats come every second, the
gauges of a dead worker go after 8 s in place of 60, APIDown asks for 6 s of silence and 2 s of
patience in place of 30 and 120. The queries' windows are 10 s here, as there is no older data.
"""

from __future__ import annotations

import http.server
import json
import math
import os
import re
import signal
import subprocess
import threading
import time
import unittest
from pathlib import Path
from typing import Any, NamedTuple

from lib import documents, programs
from lib.exposition import Page
from lib.harness import HOST, ROOT, binary, free_port, log_folder, new_folder, wait_until

DEMO = ROOT / "tools" / "demo.py"
WORKERS = 4
WINDOW = "10s"
N_SCRAPES = 12  # more than a window's worth
ALIVE = "bacowr_app_heartbeat_timestamp_seconds"
BUSY = "http_requests_inprogress"
FIRING = 'ALERTS{alertname="APIDown",alertstate="firing"}'
QUERIES = ["Request rate", "p95 latency", "Error rate", "LLM costs per hour", "Active jobs"]


def documented_queries() -> dict[str, str]:
    """Of each block of the chapter its last line, the query over all series."""
    text = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    chapter = text.split("\n## Querying\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^(\w[^\n,]*)[^\n]*:\n\n```promql\n(.*?)\n```", chapter, re.S | re.M)
    return {title: re.sub(r"\[\w+\]", f"[{WINDOW}]", block.splitlines()[-1])
            for title, block in blocks}


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps the status of each APIDown that Alertmanager posts."""

    def __init__(self, test: unittest.TestCase) -> None:
        self.statuses: list[str] = []
        super().__init__((HOST, 0), WebhookHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)


class WebhookHandler(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.statuses += [alert["status"] for alert in message["alerts"]
                                 if alert["labels"]["alertname"] == "APIDown"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Counts(NamedTuple):
    """What the aggregator's page says at a time."""
    when: float
    requests: float
    dollars: float


class DemoTest(unittest.TestCase):
    def setUp(self) -> None:
        _, commands, _ = documents.chapters("docs/monitoring.md")["Monitoring stack"]
        *self.looks, stop, start = [re.sub(" +# .*", "", one) for one in commands.splitlines()]
        self.stop_app, self.start_app = (one.removeprefix("tools/demo.py ")
                                         for one in (stop, start))
        self.folder = self.enterContext(new_folder())
        self.ports = {name: free_port() for name in ("app", "statsd", "web", "prometheus",
                                                     "alertmanager")}
        self.prometheus = programs.PrometheusApi(self.ports["prometheus"])
        self.webhook = Webhook(self)
        self.log = log_folder() / f"{self.id()}.demo.log"
        self.demo = programs.start(self, "demo", [
            programs.PYTHON, DEMO, "--fast", f"--folder={self.folder}", f"--binary={binary()}",
            f"--webhook=http://{HOST}:{self.webhook.server_port}/", "--rate=40",
            *(f"--{name}-port={port}" for name, port in self.ports.items())], ROOT)

    def said(self, text: str) -> bool:
        """The demo's word; it must not have ended."""
        self.assertIsNone(self.demo.poll(), self.log.read_text())
        return text in self.log.read_text()

    def tell(self, command: str) -> subprocess.CompletedProcess[str]:
        return programs.run([programs.PYTHON, DEMO, command, f"--folder={self.folder}"])

    def counts(self) -> Counts:
        """Through the application's own /metrics."""
        status, body = programs.request(self.ports["app"], "/metrics")
        self.assertEqual(status, 200)
        page = Page(body.decode())
        return Counts(time.monotonic(), page.total("api_requests_total"),
                      page.total("llm_generation_cost_dollars"))

    def workers(self, family: str) -> set[str]:
        return {row["metric"]["worker"] for row in self.prometheus.query(family)}

    def alertmanager(self) -> list[str]:
        status, body = programs.request(self.ports["alertmanager"], "/api/v2/alerts")
        self.assertEqual(status, 200)
        return [alert["labels"]["alertname"] for alert in json.loads(body)]

    # ---- the steps ----

    def check_queries(self) -> None:
        """Each answers, within the factor that a window and a page of two moments may differ."""
        queries = documented_queries()
        self.assertEqual(list(queries), QUERIES)
        before = self.counts()
        wait_until("Prometheus has scraped for a while", lambda: (self.prometheus.value(
            f"count_over_time(sum({ALIVE})[1m:1s])") or 0) >= N_SCRAPES, 40)
        wait_until("a request failed", lambda: self.prometheus.value(queries["Error rate"]))
        values = {title: self.prometheus.value(query) for title, query in queries.items()}
        after = self.counts()
        seconds = after.when - before.when
        wanted = {
            "Request rate": (after.requests - before.requests) / seconds,
            "LLM costs per hour": (after.dollars - before.dollars) / seconds * 3600,
        }
        for title, value in values.items():
            with self.subTest(f"{title}: {queries[title]}"):
                assert value is not None and math.isfinite(value), value
                if title in wanted:
                    self.assertGreater(value, wanted[title] / 2.5)
                    self.assertLess(value, wanted[title] * 2.5)
        self.assertGreater(values["Request rate"], 2)
        self.assertLess(values["Error rate"], 25)  # of the load's requests 4 % fail
        self.assertGreater(values["p95 latency"], 0.001)
        self.assertLess(values["p95 latency"], 10)
        self.assertLess(values["Active jobs"], 1000)

    def check_looks(self) -> None:
        """Those of docs/monitoring.md, which find the traffic."""
        rows = (("9102", "web", "api_requests_total{"), ("9090", "prometheus", '"value":['))
        for look, (known, port, wanted) in zip(self.looks, rows, strict=True):
            self.assertIn(known, look)
            done = programs.run(["bash", "-c", look.replace(known, str(self.ports[port]))])
            self.assertEqual((done.returncode, done.stderr), (0, ""), look)
            self.assertIn(wanted, done.stdout)

    def check_dead_worker(self) -> None:
        """What a killed worker said last goes, and the others go on."""
        workers = wait_until("all workers are there", lambda: (
            found if len(found := self.workers(ALIVE)) == WORKERS else None))
        victim = min(workers)
        match = re.search(r"(\d+)$", victim)
        assert match, victim
        parent = (self.folder / "app.pid").read_text().strip()
        status = Path(f"/proc/{match[1]}/status").read_text()
        self.assertIn(f"PPid:\t{parent}\n", status)
        os.kill(int(match[1]), signal.SIGKILL)
        for family in (ALIVE, BUSY):
            wait_until(f"{family} of the dead worker is gone",
                       lambda family=family: victim not in self.workers(family), 25)
            self.assertGreaterEqual(len(self.workers(family)), WORKERS - 1)
        self.assertEqual(programs.request(self.ports["app"], "/health")[0], 200)
        self.assertEqual(self.prometheus.query(FIRING), [])

    def check_alert(self) -> None:
        """It fires when the application stops, at all three, and recovers with it."""
        self.assertEqual(self.webhook.statuses, [])
        done = self.tell(self.stop_app)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until("the webhook has the alert", lambda: "firing" in self.webhook.statuses, 30)
        self.assertEqual(self.prometheus.value(FIRING), 1)
        self.assertIn("APIDown", self.alertmanager())
        done = self.tell(self.start_app)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until("the webhook knows that it is over",
                   lambda: self.webhook.statuses[-1] == "resolved", 30)
        self.assertEqual(self.prometheus.query(FIRING), [])
        self.assertTrue(self.workers(ALIVE))

    def check_one_only(self) -> None:
        done = programs.run([programs.PYTHON, DEMO, f"--folder={self.folder}"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("a demo runs already", done.stderr)

    def check_end(self) -> None:
        """Ctrl-C ends all of it: nobody listens any more, and there is no demo to command."""
        self.demo.send_signal(signal.SIGINT)
        self.assertEqual(self.demo.wait(30), 0, self.log.read_text())
        for name, port in self.ports.items():
            with self.subTest(name), self.assertRaises(ConnectionRefusedError):
                programs.request(port, "/")
        done = self.tell("--stop-app")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no demo runs", done.stderr)

    def test_from_a_request_to_an_alert_and_back(self) -> None:
        wait_until("Prometheus sees the traffic",
                   lambda: self.said("Prometheus sees the traffic"), 90)
        self.check_queries()
        self.check_looks()
        self.check_dead_worker()
        self.check_one_only()
        self.check_alert()
        self.check_end()


if __name__ == "__main__":
    unittest.main()
