# SPDX-License-Identifier: Apache-2.0
"""A small FastAPI application that measures itself with the Python client, as BACOWR does.

Every request is counted and timed by the middleware; jobs report what their LLM calls took and
cost. All of it leaves as StatsD lines over UDP, to the port in STATSD_PORT.
"""

from __future__ import annotations

import asyncio

from bacowr_metrics import (MetricsMiddleware, set_active_jobs, set_batch_progress,
                            track_job_completion, track_llm_generation, track_qc_score)
from fastapi import FastAPI

app = FastAPI()
app.add_middleware(MetricsMiddleware)
_active_jobs = 0


def change_active_jobs(change: int) -> None:
    global _active_jobs
    _active_jobs += change
    set_active_jobs(_active_jobs)


@app.get("/jobs")
async def list_jobs() -> list[str]:
    return []


@app.post("/jobs", status_code=201)
async def create_job() -> dict[str, int]:
    change_active_jobs(1)
    return {"active": _active_jobs}


@app.post("/jobs/{job}/finish")
async def finish_job(job: str, status: str, score: float) -> None:
    """What a job did: one LLM call of 25.3 s for 12 cents, and its quality score."""
    change_active_jobs(-1)
    track_llm_generation("anthropic", "claude-3-haiku", 25.3, 0.12)
    track_job_completion(status)
    track_qc_score(score)
    set_batch_progress("batch_abc123", 75)


@app.get("/slow")
async def slow() -> None:
    await asyncio.sleep(0.3)


@app.get("/boom")
async def boom() -> None:
    raise RuntimeError("as asked")
