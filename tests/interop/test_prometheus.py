# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: HTTP requests to an application, StatsD lines over UDP, a real
Prometheus that scrapes, and the queries that the dashboards ask.
"""

from __future__ import annotations

import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib import programs
from lib.harness import HOST, ROOT, Server, ServerTest, free_port, new_folder, wait_until

HERE = Path(__file__).resolve().parent
BACOWR = ROOT / "conf" / "bacowr.yml"

# (method, path, how often), in each of two rounds: the first makes the series known to Prometheus,
# so that rates see the whole of the second.
REQUESTS = [
    ("GET", "/jobs", 100),
    ("POST", "/jobs", 20),
    ("POST", "/jobs/7/finish?status=delivered&score=92.5", 12),
    ("POST", "/jobs/8/finish?status=blocked&score=40", 3),
    ("GET", "/slow", 10),
    ("GET", "/boom", 5),
    ("GET", "/nowhere", 10),
]
N_ROUND = sum(n for _, _, n in REQUESTS)
N_FINISHED = 15
ROUNDS = 2

# What `promtool check metrics` may say of the page: names that are not ours to choose. The seed's
# families keep their names, statsd_exporter's self metrics theirs.
ALLOWED_FINDINGS = {
    "llm_generation_cost_dollars": "counter metrics should have \"_total\" suffix",
    "statsd_exporter_metrics_total": "non-counter metrics should not have \"_total\" suffix",
}


class PrometheusTest(ServerTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        self.server = self.start(mapping=BACOWR.read_bytes())

    def start_app(self) -> int:
        port = free_port()
        programs.start(self, "uvicorn", [
            programs.PYTHON, "-B", "-m", "uvicorn", "app:app", "--host", HOST, "--port", str(port),
            "--no-access-log"], HERE, {"STATSD_PORT": str(self.server.ports.udp),
                                       "PYTHONPATH": str(ROOT / "clients" / "python")})
        wait_until("the application answers", programs.answers(port, "/openapi.json"), 60)
        return port

    def send_round(self, port: int) -> None:
        asked = [(path, method) for method, path, n in REQUESTS for _ in range(n)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: programs.request(port, *one), asked))

    def test_requests_become_answers(self) -> None:
        app = self.start_app()
        prometheus = programs.Prometheus(self, self.folder, free_port(), self.server.ports.web)
        self.server.eventually("the look whether it answers",
                               lambda p: p.total("api_requests_total") == 1)
        for n_done in range(1, ROUNDS + 1):
            self.send_round(app)
            total = 1 + n_done * N_ROUND
            wait_until("Prometheus has the round",
                       lambda: prometheus.value("sum(api_requests_total)") == total, 30)
        self.check_totals(prometheus)
        self.check_queries(prometheus)
        self.assertEqual(self.server.settle().refused(), {})

    def check_totals(self, prometheus: programs.Prometheus) -> None:
        """Exact: every request, every job, every cent."""
        totals = {
            'sum(api_requests_total{status="200",endpoint="/jobs"})': 100,
            'sum(api_requests_total{status="201"})': 20,
            'sum(api_requests_total{status="404",endpoint="unmatched"})': 10,
            'sum(api_requests_total{status="500",endpoint="/boom"})': 5,
            'sum(api_request_duration_seconds_count{endpoint="/slow"})': 10,
            'jobs_completed_total{status="delivered"}': 12,
            'jobs_completed_total{status="blocked"}': 3,
            "sum(llm_generation_duration_seconds_count)": N_FINISHED,
            "qc_score_count": N_FINISHED,
            "qc_score_sum": 12 * 92.5 + 3 * 40,
            "sum(active_jobs)": 5,
        }
        for expression, each_round in totals.items():
            with self.subTest(expression):
                self.assertEqual(prometheus.value(expression), each_round * ROUNDS)
        self.assertAlmostEqual(prometheus.value("sum(llm_generation_cost_dollars)") or 0,
                               0.12 * N_FINISHED * ROUNDS)
        self.assertEqual(prometheus.value("batch_review_progress_percent"), 75)
        # A worker's own gauge may come a turn later than the last request.
        wait_until("nothing is in progress",
                   lambda: prometheus.value("http_requests_inprogress") == 0)
        self.assertEqual(prometheus.value("min_over_time(up[1m])"), 1)

    def check_queries(self, prometheus: programs.Prometheus) -> None:
        """The five query examples. Rates are of the second round, spread by Prometheus over their
        window, to whose edges it extrapolates: so they are right within a margin.

        The error rate divides sums: without them it would divide each 5xx series by itself.
        """
        self.near(prometheus, "sum(rate(api_requests_total[5m])) * 300", N_ROUND)
        self.assertGreater(len(prometheus.query("rate(api_requests_total[5m])")), 5)
        quantiles = {row["metric"]["endpoint"]: float(row["value"][1]) for row in prometheus.query(
            "histogram_quantile(0.95, rate(api_request_duration_seconds_bucket[5m]))")}
        self.assertTrue(0.25 <= quantiles["/slow"] <= 0.5, quantiles["/slow"])
        self.near(prometheus, '(sum(rate(api_requests_total{status=~"5.."}[5m]))'
                              ' / sum(rate(api_requests_total[5m]))) * 100', 5 / N_ROUND * 100)
        self.near(prometheus, "sum(rate(llm_generation_cost_dollars[1h])) * 3600",
                  0.12 * N_FINISHED)
        self.assertEqual(prometheus.value("active_jobs"), 5 * ROUNDS)

    def near(self, prometheus: programs.Prometheus, expression: str, wanted: float) -> None:
        with self.subTest(expression):
            found = prometheus.value(expression)
            self.assertIsNotNone(found)
            self.assertTrue(0.95 * wanted <= (found or 0) <= 1.5 * wanted,
                            f"{found}, wanted about {wanted}")


class PromtoolTest(ServerTest):
    def fill(self) -> Server:
        """One sample of every line in the wire table, and one that no rule takes."""
        server = self.start(mapping=BACOWR.read_bytes())
        lines = (ROOT / "tests" / "data" / "wire.tsv").read_text().splitlines()
        server.send(*[line.split("\t")[2] for line in lines if not line.startswith("#")])
        server.settle()
        return server

    def test_the_page_passes_the_linter(self) -> None:
        text = self.fill().scrape().text
        done = programs.run([programs.PROMTOOL, "check", "metrics"], text)
        findings = dict(line.split(" ", 1) for line in done.stderr.splitlines())
        self.assertEqual(findings, ALLOWED_FINDINGS)
        self.assertEqual(done.returncode, 3 if ALLOWED_FINDINGS else 0)


if __name__ == "__main__":
    unittest.main()
