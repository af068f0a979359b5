# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours, run as plain processes for one test.

They are Debian's own (with Debian's own Python), or unpacked under build/ by tools/deps.sh; none is
a service, and each is ended by its process when its test is over.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
import unittest
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from lib.harness import HOST, ROOT, end_process, log_folder, wait_until

PYTHON = "/usr/bin/python3"  # Debian's: it has the packages
UNPACKED = ROOT / "build" / "programs" / "usr" / "bin"
PROMETHEUS = UNPACKED / "prometheus"
PROMTOOL = UNPACKED / "promtool"
ALERTMANAGER = UNPACKED / "prometheus-alertmanager"
AMTOOL = UNPACKED / "amtool"
NODE_EXPORTER = UNPACKED / "prometheus-node-exporter"
NODE_MODULES = ROOT / "build" / "npm" / "node_modules"


def start(test: unittest.TestCase, name: str, command: Sequence[str | Path], folder: Path,
          env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Run a program until the test is over; what it prints goes to a log."""
    with open(log_folder() / f"{test.id()}.{name}.log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=log,
                                   stderr=log, stdin=subprocess.DEVNULL,
                                   env=os.environ | dict(env or {}))
    test.addCleanup(end_process, process)
    return process


def run(command: Sequence[str | Path], text: str | None = None, folder: Path = ROOT,
        env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run([str(word) for word in command], cwd=folder, input=text,
                          capture_output=True, text=True, timeout=60,
                          env=os.environ | dict(env or {}))


def request(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answers(port: int, path: str) -> Callable[[], bool]:
    """A check that something is served there."""
    def check() -> bool:
        try:
            return request(port, path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    return check


class PrometheusApi:
    """Asks a Prometheus, whoever started it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data that a path of the API answers."""
        status, body = request(self.port, f"{path}?{urllib.parse.urlencode(parameters)}")
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", f"{parameters}: {body!r}"
        return answer["data"]

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The vector an instant query answers, now or @at a moment."""
        moment = {} if at is None else {"time": at}
        return self.ask("/api/v1/query", query=expression, **moment)["result"]

    def query_range(self, expression: str, start: float, end: float,
                    step: float) -> list[dict[str, Any]]:
        """The matrix a range query answers."""
        return self.ask("/api/v1/query_range", query=expression, start=start, end=end,
                        step=step)["result"]

    def label_values(self, label: str, selector: str) -> list[str]:
        return self.ask(f"/api/v1/label/{label}/values", **{"match[]": selector})

    def exemplars(self, selector: str) -> dict[str, list[dict[str, Any]]]:
        """What Prometheus keeps of a selector's exemplars, by the series' `le` or its name."""
        now = time.time()
        rows = self.ask("/api/v1/query_exemplars", query=selector, start=now - 600, end=now + 60)
        return {row["seriesLabels"].get("le", row["seriesLabels"]["__name__"]): row["exemplars"]
                for row in rows}

    def value(self, expression: str) -> float | None:
        """The one value an instant query answers; None when it answers nothing."""
        result = self.query(expression)
        assert len(result) <= 1, f"{expression} answers {len(result)} series"
        return float(result[0]["value"][1]) if result else None


class Prometheus(PrometheusApi):
    """A real Prometheus that scrapes one server, or several, every second, or does what @config
    says."""

    def __init__(self, test: unittest.TestCase, folder: Path, port: int,
                 target: int | Sequence[int] = (), flags: Sequence[str] = (),
                 config: str | None = None, name: str = "prometheus") -> None:
        super().__init__(port)
        ports = [target] if isinstance(target, int) else target
        targets = [f"{HOST}:{each}" for each in ports]
        file = folder / "prometheus.yml"
        file.write_text(config or "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                                  "scrape_configs:\n"
                                  "- job_name: bacowr\n"
                                  f"  static_configs: [{{targets: {json.dumps(targets)}}}]\n")
        self.process = start(test, name, [PROMETHEUS, f"--config.file={file}",
                                          f"--storage.tsdb.path={folder / 'data'}",
                                          f"--web.listen-address={HOST}:{port}", *flags], folder)
        wait_until(f"{name} is ready", answers(port, "/-/ready"), 60)
