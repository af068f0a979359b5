# SPDX-License-Identifier: Apache-2.0
"""Jobs and batches that pretend: how long an LLM took, what it cost and how good it was is diced.

The jobs are in a database, as in a real application, so that each worker counts those of all.
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

from api.app.middleware import (set_active_jobs, set_batch_progress, track_job_completion,
                                track_llm_generation, track_qc_score)

DATABASE = Path(os.environ.get("DEMO_DATABASE",
                               Path(tempfile.gettempdir()) / f"bacowr-demo-{os.getuid()}.db"))
SPEED = float(os.environ.get("DEMO_SPEED", "0.02"))  # seconds slept for each pretended second
BLOCKED_BELOW = 75.0
FAILURES = 0.03

# (provider, model, seconds it takes on average, dollars for each second)
MODELS = [
    ("anthropic", "claude-3-haiku", 12.0, 0.0008),
    ("anthropic", "claude-3-opus", 40.0, 0.006),
    ("openai", "gpt-4.1", 25.0, 0.003),
]


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """One statement, committed."""
    with closing(sqlite3.connect(DATABASE, timeout=20)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS jobs "
                         "(id INTEGER PRIMARY KEY, batch TEXT, status TEXT NOT NULL)")
        return list(database.execute(sql, values))


def report_active() -> int:
    """To be called at each change, and now and then besides."""
    n_active = int(query("SELECT count(*) FROM jobs WHERE status = 'processing'")[0][0])
    set_active_jobs(n_active)
    return n_active


def create(batch: Optional[str] = None) -> int:
    """A new job; its number."""
    rows = query("INSERT INTO jobs (batch, status) VALUES (?, 'processing') RETURNING id", batch)
    report_active()
    return int(rows[0][0])


def status_of(job: int) -> Optional[str]:
    rows = query("SELECT status FROM jobs WHERE id = ?", job)
    return str(rows[0][0]) if rows else None


def work_off(job: int) -> None:
    """Generate, check the quality, end."""
    status = "failed"
    if random.random() >= FAILURES:
        score = generate()
        track_qc_score(score=score)
        status = "delivered" if score >= BLOCKED_BELOW else "blocked"
    query("UPDATE jobs SET status = ? WHERE id = ?", status, job)
    track_job_completion(status=status)
    report_active()


def generate() -> float:
    """One LLM call; the score of what it wrote."""
    provider, model, average, price = random.choice(MODELS)
    duration = random.lognormvariate(0, 0.4) * average
    time.sleep(duration * SPEED)
    track_llm_generation(provider=provider, model=model, duration=duration, cost=duration * price)
    return min(max(random.gauss(87, 9), 0.0), 100.0)


def review(batch: str, jobs: list[int]) -> None:
    """Work a batch off, job after job."""
    for n_done, job in enumerate(jobs):
        set_batch_progress(batch_id=batch, progress_percent=100 * n_done / len(jobs))
        work_off(job)
    set_batch_progress(batch_id=batch, progress_percent=100.0)
