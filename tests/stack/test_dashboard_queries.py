# SPDX-License-Identifier: Apache-2.0
"""Every query of every dashboard, asked as Grafana asks it, of a real Prometheus that scrapes two
real servers: each answers something, and what it answers is what was sent.

Two servers, because a panel that forgets to add them up looks right with one.
"""

from __future__ import annotations

import math
import socket
import time
import unittest
from typing import Callable

from lib import dashboards, programs
from lib.dashboards import Json
from lib.harness import HOST, ROOT, Server, ServerTest, free_port, new_folder, wait_until

SPAN = 3600  # the dashboards' time range
SCRAPE = dashboards.seconds("10s")  # what the data source says, held to by test_dashboards.py

MODELS = [("anthropic", "claude-3-haiku", 8), ("anthropic", "claude-3-opus", 6),
          ("openai", "gpt-4.1", 6)]
BATCHES = {"batch_a": 75, "batch_b": 30}
ACTIVE = 4  # at each server

# One round at one server; two are sent to each of the two. (line, how often)
ROUND = [
    ("api_requests_total:1|c|#endpoint:/jobs,method:GET,status:200", 60),
    ("api_requests_total:1|c|#endpoint:/jobs,method:POST,status:201", 20),
    ("api_requests_total:1|c|#endpoint:/jobs,method:GET,status:302", 4),
    ("api_requests_total:1|c|#endpoint:unmatched,method:GET,status:404", 6),
    ("api_requests_total:1|c|#endpoint:/batches,method:GET,status:500", 10),
    ("api_request_duration_seconds:80|ms|#endpoint:/jobs,method:GET", 90),
    ("api_request_duration_seconds:3000|ms|#endpoint:/batches,method:GET", 10),
    ("http_requests_inprogress:3|g|#worker:w1", 1),
    *[(f"llm_generation_duration_seconds:25300|ms|#provider:{provider},model:{model}", n)
      for provider, model, n in MODELS],
    *[(f"llm_generation_cost_dollars:0.12|c|#provider:{provider},model:{model}", n)
      for provider, model, n in MODELS],
    (f"active_jobs:{ACTIVE}|g", 1),
    ("jobs_completed_total:1|c|#status:delivered", 16),
    ("jobs_completed_total:1|c|#status:blocked", 3),
    ("jobs_completed_total:1|c|#status:failed", 1),
    ("qc_score:92.5|h", 20),
    *[(f"batch_review_progress_percent:{value}|g|#batch_id:{batch}", 1)
      for batch, value in BATCHES.items()],
    ("bacowr_app_heartbeat_timestamp_seconds:1767225600|g|#worker:w1", 1),
    # What the aggregator's own dashboard is about.
    ("unmapped.counter:1|c", 5),
    ("no colon", 5),
    ("negative:-1|c", 5),
    ("unmapped.counter:1|g", 5),
    (f"{'long' * 500}:1|g", 1),
]
N_REFUSED = 15
N_SCRAPES = "min(count_over_time(active_jobs[5m]))"
LOST = 'sum(bacowr_statsd_relay_dropped_lines_total{reason="refused"})'
N_LINES = sum(n for _, n in ROUND)
N_COST = 0.12 * sum(n for _, _, n in MODELS)


class DashboardTest(ServerTest):
    def setUp(self) -> None:
        folder = self.enterContext(new_folder())
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sink.close)
        sink.bind((HOST, 0))
        # One relay target that takes lines, and one where nobody listens.
        mapping = (ROOT / "conf" / "bacowr.yml").read_text()
        self.servers = [self.start_one(name, mapping, sink.getsockname()[1])
                        for name in ("one", "two")]
        self.prometheus = programs.Prometheus(self, folder, free_port(),
                                              [server.ports.web for server in self.servers])

    def start_one(self, name: str, mapping: str, sink: int) -> Server:
        server = Server((f"--statsd.relay.address={HOST}:{sink}",
                         f"--statsd.relay.address={HOST}:{free_port()}", "--statsd.max-series=200"),
                        mapping, f"{self.id()}.{name}")
        self.addCleanup(server.kill)
        self.addCleanup(self._stop, server)
        return server

    def value(self, expression: str) -> float:
        return self.prometheus.value(expression) or 0

    def send_round(self, n_done: int) -> None:
        """And wait until Prometheus has all of it, with the lines that nobody took over."""
        n_servers = len(self.servers)
        n_lost = self.value(LOST)
        for server in self.servers:
            for line, n in ROUND:
                server.send(*[line] * n)
            server.settle(N_LINES * n_done)
            server.reload()
        wanted = {"sum(statsd_exporter_lines_total)": n_done * N_LINES * n_servers,
                  "sum(statsd_exporter_config_reloads_total)": n_done * n_servers}
        wait_until("Prometheus has the round",
                   lambda: self.value(LOST) > n_lost
                   and all(self.value(text) == value for text, value in wanted.items()), 30)

    # ---- as Grafana asks ----

    def resolve(self, board: Json) -> dict[str, list[str]]:
        return dashboards.resolve(board, self.prometheus)

    def ask(self, target: Json, chosen: dict[str, str]) -> list[Json]:
        step, built_in = dashboards.intervals(target, SCRAPE, SPAN)
        end = time.time()
        return dashboards.ask(self.prometheus, target, chosen | built_in, step, end - SPAN, end)

    def latest(self, name: str, title: str, **chosen: str) -> dict[str, float]:
        """What a panel shows, by legend: of each series the last value that is a number."""
        board = dashboards.load(dashboards.FOLDER / f"{name}.json")
        (panel,) = [panel for panel in dashboards.panels(board) if panel["title"] == title]
        values = dashboards.choose_all(board, self.resolve(board)) | chosen
        return {dashboards.legend(target, series): last_number(series)
                for target in panel["targets"] for series in self.ask(target, values)}


def last_number(series: Json) -> float:
    numbers = [float(text) for _, text in series["values"] if math.isfinite(float(text))]
    assert numbers, f"no number in {series['metric']}"
    return numbers[-1]


class QueriesTest(DashboardTest):
    def test_every_query_answers_what_was_sent(self) -> None:
        for n_done in (1, 2):
            self.send_round(n_done)
        # A rate extrapolates by up to one interval between samples: with ten of them, by a tenth.
        wait_until("ten scrapes", lambda: self.value(N_SCRAPES) >= 10, 30)
        for path in dashboards.files():
            self.check_dashboard(dashboards.load(path))
        self.check_variables()
        self.check_api()
        self.check_choice()
        self.check_business()
        self.check_aggregator()

    def check_dashboard(self, board: Json) -> None:
        """Each query answers, with numbers; a panel's legends tell its series apart."""
        values = dashboards.choose_all(board, self.resolve(board))
        for panel in dashboards.panels(board):
            with self.subTest(f"{board['uid']}: {panel['title']}"):
                legends = []
                for target in panel["targets"]:
                    found = self.ask(target, values)
                    self.assertTrue(found, f"no data: {target['expr']}")
                    for series in found:
                        last_number(series)
                        legends.append(dashboards.legend(target, series))
                self.assertEqual(len(set(legends)), len(legends), legends)
                if panel["type"] == "stat":
                    self.assertEqual(len(legends), 1)

    def near(self, what: str, found: float, wanted: float) -> None:
        """Rates are spread over their window, to whose edges Prometheus extrapolates."""
        self.assertTrue(0.95 * wanted <= found <= 1.2 * wanted, f"{what}: {found}, wanted {wanted}")

    def check_variables(self) -> None:
        found: dict[str, list[str]] = {}
        for path in dashboards.files():
            found |= self.resolve(dashboards.load(path))
        self.assertEqual(found, {
            "endpoint": ["/batches", "/jobs", "unmatched"], "method": ["GET", "POST"],
            "provider": ["anthropic", "openai"], "model": sorted(model for _, model, _ in MODELS),
            "instance": sorted(f"{HOST}:{server.ports.web}" for server in self.servers)})

    def one(self, name: str, title: str, **chosen: str) -> float:
        (value,) = self.latest(name, title, **chosen).values()
        return value

    def check_api(self) -> None:
        """Of 100 requests 10 failed and took 3 s; so p95 is in the middle of its bucket."""
        name = "bacowr-api"
        self.near("QPS", self.one(name, "Requests per Second (QPS)") * 300, 200)
        self.assertAlmostEqual(self.one(name, "Error Rate (%)"), 10, delta=0.5)
        self.assertAlmostEqual(self.one(name, "p95 Response Time"), 3.75, delta=0.1)
        times = self.latest(name, "Response Time Percentiles (p50, p95, p99)")
        self.assertAlmostEqual(times["p50"], 0.0778, delta=0.002)
        self.assertAlmostEqual(times["p95"], 3.75, delta=0.1)
        self.assertAlmostEqual(times["p99"], 4.75, delta=0.1)
        rates = self.latest(name, "Request Rate by Endpoint")
        self.assertAlmostEqual(rates["/jobs"] / sum(rates.values()), 0.84, delta=0.02)
        codes = self.latest(name, "HTTP Status Codes (2xx, 4xx, 5xx)")
        self.assertEqual(set(codes), {"2xx", "4xx", "5xx", "other"})
        self.assertAlmostEqual(codes["2xx"] / sum(codes.values()), 0.8, delta=0.02)
        self.assertAlmostEqual(codes["other"] / sum(codes.values()), 0.04, delta=0.01)

    def check_choice(self) -> None:
        """Values with dots and slashes are found again; a choice leaves the rest out."""
        endpoint = dashboards.choice(["/batches"])
        self.assertAlmostEqual(self.one("bacowr-api", "Error Rate (%)", endpoint=endpoint), 100)
        self.assertAlmostEqual(
            self.one("bacowr-api", "Error Rate (%)",
                     endpoint=dashboards.choice(["/jobs", "unmatched"])), 0)
        cost = self.one("bacowr-business", "LLM Cost per Hour",
                        model=dashboards.choice(["gpt-4.1"]))
        self.near("one model", cost, 2 * 0.12 * 6)
        (server, _) = self.servers
        lines = self.latest("bacowr-statsd", "Lines by Server",
                            instance=dashboards.choice([f"{HOST}:{server.ports.web}"]))
        self.assertEqual(list(lines), [f"{HOST}:{server.ports.web}"])

    def check_business(self) -> None:
        name = "bacowr-business"
        self.assertEqual(self.one(name, "Active Jobs (current)"), 2 * ACTIVE)
        self.near("delivered", self.one(name, "Jobs Delivered (last hour)"), 2 * 16)
        self.near("cost", self.one(name, "LLM Cost per Hour"), 2 * N_COST)
        self.assertAlmostEqual(self.one(name, "Delivery Success Rate (%)"), 80, delta=1)
        ended = self.latest(name, "Job Completion Rate by Status")
        self.assertEqual(set(ended), {"delivered", "blocked", "failed"})
        self.near("ended in 4 minutes", sum(ended.values()) * 4, 2 * 20)
        times = self.latest(name, "LLM Generation Time (p50, p95)")
        self.assertAlmostEqual(times["p50"], 25, delta=0.1)
        self.assertAlmostEqual(times["p95"], 29.5, delta=0.1)
        costs = self.latest(name, "LLM Costs by Provider")
        self.assertEqual(set(costs), {f"{provider} {model}" for provider, model, _ in MODELS})
        self.near("bill", sum(costs.values()), 2 * N_COST)
        self.assertEqual(list(self.latest(name, "Batch Review Progress").items()),
                         sorted(BATCHES.items(), key=lambda item: -item[1]))

    def check_aggregator(self) -> None:
        name = "bacowr-statsd"
        wanted: dict[str, Callable[[float], bool]] = {
            "Aggregators": lambda v: v == 2,
            "Datagrams Lost": lambda v: v == 0,
            "Mapping": lambda v: v == 1,
            "Series Limit Used": lambda v: 0.1 < v < 0.3,
            "Refused per Second": lambda v: v > 0,
            "Lines per Second": lambda v: v > 0,
        }
        for title, holds in wanted.items():
            value = self.one(name, title)
            self.assertTrue(holds(value), f"{title}: {value}")
        refused = self.one(name, "Refused per Second") / self.one(name, "Lines per Second")
        self.assertAlmostEqual(refused, N_REFUSED / N_LINES, delta=0.01)
        self.assertEqual(set(self.latest(name, "Errors by Reason")),
                         {"malformed_line", "illegal_negative_counter"})
        self.assertEqual(set(self.latest(name, "Conflicts")), {"unmapped_counter as gauge"})
        losses = self.latest(name, "Relay Losses")
        self.assertEqual({legend.split(" ", 1)[1] for legend in losses}, {"refused", "too long"})
        lines = self.latest(name, "Datagrams")
        self.assertGreater(lines["UDP"], 0)
        self.assertEqual(lines["Unix"], 0)


# Shares of nothing, and what is shown only when there is something.
EMPTY_WHEN_IDLE = {"Error Rate (%)", "Delivery Success Rate (%)", "Datagrams Lost",
                   "Errors by Reason", "Conflicts"}


class NoDataTest(DashboardTest):
    def test_before_anything_was_sent(self) -> None:
        """Queries of idle servers may answer nothing, but none is an error, and no share is NaN."""
        wait_until("Prometheus has both servers",
                   lambda: self.prometheus.value("count(bacowr_statsd_ingest_threads)") == 2, 30)
        for path in dashboards.files():
            board = dashboards.load(path)
            values = {variable["name"]: ".*" for variable in dashboards.variables(board)}
            for panel in dashboards.panels(board):
                for target in panel["targets"]:
                    with self.subTest(f"{board['uid']}: {panel['title']}"):
                        found = self.ask(target, values)
                        if panel["title"] in EMPTY_WHEN_IDLE:
                            self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
