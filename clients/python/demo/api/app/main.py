# SPDX-License-Identifier: Apache-2.0
"""A FastAPI application with BACOWR's metrics, to look at and to put under load.

    uvicorn api.app.main:app --workers 4

Needs bacowr_metrics, FastAPI 0.92 or newer, uvicorn, and a bacowr-statsd with conf/bacowr.yml.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException, Response

from api.app import jobs
from api.app.middleware import MetricsMiddleware, mount_metrics

MAX_BATCH = 100
MAX_SLOW_SECONDS = 10.0

app = FastAPI(title="BACOWR demo")
app.add_middleware(MetricsMiddleware)
mount_metrics(app, upstream=os.environ.get("METRICS_UPSTREAM", "http://127.0.0.1:9102/metrics"))


@app.get("/health")
def health() -> dict[str, Any]:
    """Asked now and then by whoever runs the application, so active_jobs is said again here."""
    return {"status": "ok", "active_jobs": jobs.report_active()}


@app.post("/jobs", status_code=201)
def create_job(tasks: BackgroundTasks) -> dict[str, Any]:
    job = jobs.create()
    tasks.add_task(jobs.work_off, job)
    return {"id": job}


@app.get("/jobs/{job_id}")
def show_job(job_id: int) -> dict[str, Any]:
    status = jobs.status_of(job_id)
    if status is None:
        raise HTTPException(404, "no such job")
    return {"id": job_id, "status": status}


@app.post("/batches", status_code=202)
def create_batch(tasks: BackgroundTasks, size: int = 10) -> dict[str, Any]:
    batch = f"batch_{uuid.uuid4().hex[:8]}"
    members = [jobs.create(batch) for _ in range(min(max(size, 1), MAX_BATCH))]
    tasks.add_task(jobs.review, batch, members)
    return {"batch_id": batch, "jobs": members}


@app.get("/slow")
async def slow(seconds: float = 2.5) -> dict[str, Any]:
    """For the latency alert."""
    await asyncio.sleep(min(max(seconds, 0.0), MAX_SLOW_SECONDS))
    return {"seconds": seconds}


@app.get("/status/{code}")
def answer_with(code: int) -> Response:
    """For the error rate, without a traceback."""
    return Response(status_code=code if 200 <= code < 600 else 400)


@app.get("/error")
def error() -> None:
    """For the error rate, with one."""
    raise RuntimeError("as asked")
