# SPDX-License-Identifier: Apache-2.0
"""The demo application in several workers, under real requests, with the real server and mapping.

Two things are shortened, both by the tests only: workers beat every second instead of every 15, and
where a test waits for the gauges of a dead worker, their 60 s ttl in conf/bacowr.yml is 4 s.
"""

from __future__ import annotations

import collections
import os
import re
import signal
import socket
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Sequence, Tuple

from lib import programs
from lib.exposition import Page
from lib.harness import HOST, Server, ServerTest, end_process, free_port, new_folder, wait_until
from receiver import BACOWR, DEMO, PACKAGE, SCRIPT, environment, run_python

HERE = Path(__file__).resolve().parent
SHORT_TTL = "4s"
N_WORKERS = 4
Started = Tuple[int, "subprocess.Popen[bytes]"]  # the port of an application, and its process
HEARTBEAT = "bacowr_app_heartbeat_timestamp_seconds"
IN_PROGRESS = "http_requests_inprogress"

# (method, path, endpoint, status, how often)
REQUESTS = [
    ("GET", "/health", "/health", "200", 60),
    ("POST", "/jobs", "/jobs", "201", 20),
    ("POST", "/batches?size=5", "/batches", "202", 2),
    ("GET", "/jobs/999999", "/jobs/{job_id}", "404", 10),
    ("GET", "/jobs/none", "/jobs/{job_id}", "422", 5),
    ("GET", "/slow?seconds=0.3", "/slow", "200", 8),
    ("GET", "/status/503", "/status/{code}", "503", 7),
    ("GET", "/error", "/error", "500", 6),
    ("GET", "/nowhere/at/all", "unmatched", "404", 9),
    ("OPTIONS", "/jobs", "/jobs", "405", 3),
]
N_REQUESTS = sum(row[4] for row in REQUESTS)
N_JOBS = 20 + 2 * 5


def workers(page: Page, family: str = HEARTBEAT) -> set[str]:
    found = page.families.get(family)
    return {dict(labels)["worker"] for _, labels in found.samples} if found else set()


def short_ttl() -> str:
    """conf/bacowr.yml with less patience for the worker's gauges, all four rules."""
    text, n_changed = re.subn(r"ttl: 60s", f"ttl: {SHORT_TTL}", BACOWR.read_text())
    assert n_changed == 4, "conf/bacowr.yml has other rules for the worker's gauges"
    return text


class ApplicationTest(ServerTest):
    def setUp(self) -> None:
        self.database = str(self.enterContext(new_folder()) / "jobs.db")

    def start_app(self, server: Server, command: Sequence[str]) -> Started:
        port = free_port()
        env = environment(
            server.ports.udp, TEST_BEAT_SECONDS="1", DEMO_SPEED="0.001",
            DEMO_DATABASE=self.database,
            METRICS_UPSTREAM=f"http://{HOST}:{server.ports.web}/metrics",
            PYTHONPATH=f"{PACKAGE}:{DEMO}:{HERE}")
        words = [word.format(address=f"{HOST}:{port}", host=HOST, port=port) for word in command]
        process = programs.start(self, "application", words, HERE, env)
        wait_until("the application answers", programs.answers(port, "/metrics"), 60)
        return port, process

    def start_uvicorn(self, server: Server) -> Started:
        return self.start_app(server, [
            programs.PYTHON, "-m", "uvicorn", "app:app", "--host", "{host}", "--port", "{port}",
            "--workers", str(N_WORKERS), "--no-access-log"])

    def start_gunicorn(self, server: Server) -> Started:
        return self.start_app(server, [
            "/usr/bin/gunicorn", "--preload", "--workers", "2", "--bind", "{address}",
            "-k", "uvicorn.workers.UvicornWorker", "app:app"])

    def ask_all(self, port: int) -> None:
        asked = [(path, method, status) for method, path, _, status, n in REQUESTS
                 for _ in range(n)]
        with ThreadPoolExecutor(12) as pool:
            answers = pool.map(lambda one: programs.request(port, one[0], one[1])[0], asked)
        self.assertEqual(collections.Counter(map(str, answers)),
                         collections.Counter(status for _, _, status in asked))

    def look_until_idle(self, server: Server, port: int) -> int:
        """Ask for the application's health until no job is active; how often that took.

        Each worker says how many are active when one of its jobs begins or ends, and what a slower
        one counted a moment ago may come last. So whoever runs the application asks now and then.
        """
        n_looks = 0

        def idle() -> bool:
            nonlocal n_looks
            n_looks += 1
            self.assertEqual(programs.request(port, "/health")[0], 200)
            return server.settle().get("active_jobs") == 0

        wait_until("no job is active", idle)
        return n_looks

    def check_totals(self, page: Page, n_looks: int) -> None:
        """Exact: each request and job is there, once."""
        for method, path, endpoint, status, n in REQUESTS:
            with self.subTest(path):
                labels = {"endpoint": endpoint, "method": method}
                looked = n_looks if path == "/health" else 0
                self.assertEqual(page.value("api_requests_total", status=status, **labels),
                                 n + looked)
                self.assertEqual(page.total("api_request_duration_seconds_count", **labels),
                                 page.total("api_requests_total", **labels))
        self.assertEqual(page.total("api_requests_total"), N_REQUESTS + n_looks)
        slow = page.value("api_request_duration_seconds_sum", endpoint="/slow", method="GET") / 8
        self.assertTrue(0.3 <= slow < 2, slow)
        failed = page.get("jobs_completed_total", status="failed")
        self.assertEqual(page.total("jobs_completed_total"), N_JOBS)
        self.assertEqual(page.total("llm_generation_duration_seconds_count"), N_JOBS - failed)
        self.assertEqual(page.get("qc_score_count"), N_JOBS - failed)
        self.assertEqual(len(page.families["batch_review_progress_percent"].samples), 2)
        self.assertEqual(page.total("batch_review_progress_percent"), 200)
        self.assertEqual(page.refused(), {})
        self.assertEqual(page.get("statsd_exporter_events_unmapped_total"), 0)
        self.assertEqual(page.get("statsd_exporter_tag_errors_total"), 0)

    # ---- one process ----

    def test_the_five_functions(self) -> None:
        server = self.start(mapping=BACOWR.read_bytes())
        run_python(SCRIPT, environment(server.ports.udp))
        page = server.eventually("the last line", lambda p: p.get("qc_score_sum") == 92.5)
        llm = {"provider": "anthropic", "model": "claude-3-haiku"}
        self.assertEqual(page.value("llm_generation_duration_seconds_sum", **llm), 25.3)
        self.assertEqual(page.value("llm_generation_cost_dollars", **llm), 0.12)
        self.assertEqual(page.value("jobs_completed_total", status="delivered"), 1)
        self.assertEqual(page.value("active_jobs"), 7)
        self.assertEqual(page.value("batch_review_progress_percent", batch_id="batch_abc123"), 75)
        self.assertEqual(page.refused(), {})

    # ---- several workers ----

    def test_four_workers_under_load(self) -> None:
        """All that was asked and done is on the page, after the end of the workers too."""
        server = self.start(mapping=BACOWR.read_bytes())
        port, process = self.start_uvicorn(server)
        server.eventually("all workers", lambda p: len(workers(p)) == N_WORKERS)
        self.ask_all(port)
        page = server.eventually("all jobs are done",
                                 lambda p: p.total("jobs_completed_total") == N_JOBS)
        n_looks = self.look_until_idle(server, port)
        # The application's own page is the aggregator's.
        status, body = programs.request(port, "/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(Page(body.decode()).total("jobs_completed_total"), N_JOBS)
        self.assertTrue(workers(page, IN_PROGRESS) <= workers(page))
        self.assertEqual(end_process(process), 0)
        self.check_totals(server.settle(), n_looks)
        self.assertEqual(server.scrape().total(IN_PROGRESS), 0)

    def test_requests_in_progress(self) -> None:
        server = self.start(mapping=BACOWR.read_bytes())
        port, _ = self.start_uvicorn(server)
        server.eventually("all workers", lambda p: len(workers(p)) == N_WORKERS)
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(programs.request, port, "/slow?seconds=3") for _ in range(8)]
            server.eventually("eight at once", lambda p: p.total(IN_PROGRESS) == 8)
            self.assertEqual([one.result()[0] for one in answers], [200] * 8)
        server.eventually("none", lambda p: p.total(IN_PROGRESS) == 0)

    def test_a_killed_worker_is_forgotten(self) -> None:
        """Its gauges go within their ttl, its busy request with them; the others stay."""
        server = self.start(mapping=short_ttl())
        port, _ = self.start_uvicorn(server)
        page = server.eventually("all workers", lambda p: len(workers(p)) == N_WORKERS
                                 and len(workers(p, IN_PROGRESS)) == N_WORKERS)
        everyone = workers(page)
        prefix = socket.gethostname() + "-"
        self.assertTrue(all(worker.startswith(prefix) for worker in everyone), everyone)
        with socket.create_connection((HOST, port)) as busy:
            busy.sendall(b"GET /slow?seconds=10 HTTP/1.1\r\nHost: a\r\n\r\n")
            page = server.eventually("a busy worker", lambda p: p.total(IN_PROGRESS) == 1)
            victim = next(worker for worker in everyone
                          if page.value(IN_PROGRESS, worker=worker) == 1)
            os.kill(int(victim.removeprefix(prefix)), signal.SIGKILL)
            page = server.eventually("it is forgotten", lambda p: victim not in
                                     workers(p) | workers(p, IN_PROGRESS))
        self.assertEqual(page.total(IN_PROGRESS), 0)
        self.assertEqual((workers(page), workers(page, IN_PROGRESS)),
                         (everyone - {victim}, everyone - {victim}))

    def test_gunicorn_with_a_preloaded_application(self) -> None:
        """The workers are forks of a master that loaded the application and serves nothing."""
        server = self.start(mapping=short_ttl())
        port, process = self.start_gunicorn(server)
        page = server.eventually("both workers", lambda p: len(workers(p)) == 2)
        before = workers(page)
        self.assertNotIn(f"{socket.gethostname()}-{process.pid}", before)
        os.kill(int(min(before).rpartition("-")[2]), signal.SIGKILL)
        server.eventually("another one in its place", lambda p: len(workers(p)) == 2
                          and min(before) not in workers(p))
        self.ask_all(port)
        server.eventually("all jobs are done", lambda p: p.total("jobs_completed_total") == N_JOBS)
        self.assertEqual(end_process(process), 0)
        self.check_totals(server.settle(), n_looks=0)

    def test_an_aggregator_that_is_away(self) -> None:
        """The application serves on; what is asked after it came back is counted."""
        server = self.start(mapping=BACOWR.read_bytes())
        port, _ = self.start_uvicorn(server)
        server.stop()
        for _ in range(20):
            self.assertEqual(programs.request(port, "/health")[0], 200)
        self.assertEqual(programs.request(port, "/metrics")[0], 503)
        again = self.start(mapping=BACOWR.read_bytes(), ports=server.ports)
        again.eventually("all workers", lambda p: len(workers(p)) == N_WORKERS)
        before = again.scrape().total("api_requests_total", endpoint="/health")
        for _ in range(20):
            self.assertEqual(programs.request(port, "/health")[0], 200)
        again.eventually("all requests", lambda p: p.total("api_requests_total",
                                                           endpoint="/health") == before + 20)

    def test_the_load_script(self) -> None:
        server = self.start(mapping=BACOWR.read_bytes())
        port, _ = self.start_uvicorn(server)
        done = programs.run([programs.PYTHON, DEMO / "load.py", "--url", f"http://{HOST}:{port}",
                             "--seconds", "3", "--rate", "60"], env={"no_proxy": HOST})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        statuses = dict(part.split(": ") for part in done.stdout.strip().split(", "))
        total = sum(map(int, statuses.values()))
        self.assertGreater(total, 20)
        page = server.eventually("all requests", lambda p: p.total("api_requests_total") == total)
        for status, n in statuses.items():
            self.assertEqual(page.total("api_requests_total", status=status), int(n))


if __name__ == "__main__":
    unittest.main()
