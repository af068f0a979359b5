# SPDX-License-Identifier: Apache-2.0
"""A StatsD server of the test, which shows what came byte for byte; and where the package is."""

from __future__ import annotations

import socket
import sys
import time
import unittest
from typing import Mapping

from lib import programs
from lib.harness import HOST, ROOT

PACKAGE = ROOT / "clients" / "python"
DEMO = PACKAGE / "demo"
BACOWR = ROOT / "conf" / "bacowr.yml"
WAIT_SECONDS = 20.0
QUIET_SECONDS = 0.7  # more than two turns of the sender

# The five functions, called as BACOWR's own documentation shows it, and what that sends.
NAMES = ["track_llm_generation", "track_job_completion", "set_active_jobs", "set_batch_progress",
         "track_qc_score"]

CALLS = """
track_llm_generation(
    provider="anthropic",
    model="claude-3-haiku",
    duration=25.3,  # seconds
    cost=0.12       # USD
)
track_job_completion(status="delivered")
set_active_jobs(7)
set_batch_progress(
    batch_id="batch_abc123",
    progress_percent=75.0
)
track_qc_score(score=92.5)
"""

SCRIPT = f"from bacowr_metrics import {', '.join(NAMES)}\n{CALLS}"

CALLS_LINES = [
    "llm_generation_duration_seconds:25300|ms|#provider:anthropic,model:claude-3-haiku",
    "llm_generation_cost_dollars:0.12|c|#provider:anthropic,model:claude-3-haiku",
    "jobs_completed_total:1|c|#status:delivered",
    "active_jobs:7|g",
    "batch_review_progress_percent:75|g|#batch_id:batch_abc123",
    "qc_score:92.5|h",
]

if str(PACKAGE) not in sys.path:
    sys.path.insert(0, str(PACKAGE))


class Receiver:
    """A UDP socket, bound until the test is over."""

    def __init__(self, test: unittest.TestCase) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        test.addCleanup(self._socket.close)
        self._socket.bind((HOST, 0))
        self.port = int(self._socket.getsockname()[1])

    def datagram(self, seconds: float) -> bytes | None:
        """The next datagram; None when there is none within that time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            return None

    def lines(self, n_lines: int) -> list[str]:
        """What comes until there are so many lines; an AssertionError when they do not come."""
        got: list[str] = []
        end = time.monotonic() + WAIT_SECONDS
        while len(got) < n_lines:
            datagram = self.datagram(max(end - time.monotonic(), 0.01))
            if datagram is None:
                raise AssertionError(f"{len(got)} of {n_lines} lines came: {got[-5:]}")
            got += datagram.decode().split("\n")
        return got

    def rest(self) -> list[str]:
        """What comes until it is quiet."""
        got: list[str] = []
        while (datagram := self.datagram(QUIET_SECONDS)) is not None:
            got += datagram.decode().split("\n")
        return got

    def environment(self, **more: str) -> dict[str, str]:
        return environment(self.port, **more)


def environment(port: int, **more: str) -> dict[str, str]:
    """For a process that sends to @port."""
    return {"STATSD_HOST": HOST, "STATSD_PORT": str(port), "PYTHONPATH": str(PACKAGE),
            "PYTHONDONTWRITEBYTECODE": "1", "ENABLE_METRICS": "true", **more}


def run_python(script: str, env: Mapping[str, str]) -> str:
    """Run a script of the test to its end, which must be a good one; what it printed."""
    done = programs.run([programs.PYTHON, "-c", script], env=env)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.returncode}: {done.stderr}"
    return done.stdout
