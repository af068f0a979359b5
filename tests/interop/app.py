# SPDX-License-Identifier: Apache-2.0
"""A small FastAPI application that measures itself the way BACOWR does.

Every request is counted and timed by a middleware; jobs report what their LLM calls took and cost.
All of it leaves as StatsD lines over UDP, one datagram each, to the port in STATSD_PORT.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Awaitable, Callable

from fastapi import FastAPI, Request, Response

WORKER = "w1"

app = FastAPI()
_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_socket.connect(("127.0.0.1", int(os.environ["STATSD_PORT"])))
_in_progress = 0
_active_jobs = 0


def send(name: str, value: float, kind: str, **tags: str) -> None:
    """One line, with its tags as DogStatsD writes them."""
    suffix = "|#" + ",".join(f"{key}:{text}" for key, text in tags.items()) if tags else ""
    _socket.send(f"{name}:{value:.12g}|{kind}{suffix}".encode())


@app.middleware("http")
async def measure(request: Request,
                  call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    global _in_progress
    _in_progress += 1
    send("http_requests_inprogress", _in_progress, "g", worker=WORKER)
    begin, status = time.perf_counter(), 500
    try:
        response = await call_next(request)
        status = response.status_code
        return response
    finally:
        seconds = time.perf_counter() - begin
        _in_progress -= 1
        route = request.scope.get("route")
        endpoint = route.path if route else "unmatched"
        send("api_requests_total", 1, "c", endpoint=endpoint, method=request.method,
             status=str(status))
        send("api_request_duration_seconds", seconds * 1000, "ms", endpoint=endpoint,
             method=request.method)
        send("http_requests_inprogress", _in_progress, "g", worker=WORKER)


@app.get("/jobs")
async def list_jobs() -> list[str]:
    return []


@app.post("/jobs", status_code=201)
async def create_job() -> dict[str, int]:
    global _active_jobs
    _active_jobs += 1
    send("active_jobs", _active_jobs, "g")
    return {"active": _active_jobs}


@app.post("/jobs/{job}/finish")
async def finish_job(job: str, status: str, score: float) -> None:
    """What a job did: one LLM call of 25.3 s for 12 cents, and its quality score."""
    global _active_jobs
    _active_jobs -= 1
    send("active_jobs", _active_jobs, "g")
    send("llm_generation_duration_seconds", 25300, "ms", provider="anthropic",
         model="claude-3-haiku")
    send("llm_generation_cost_dollars", 0.12, "c", provider="anthropic", model="claude-3-haiku")
    send("jobs_completed_total", 1, "c", status=status)
    send("qc_score", score, "h")
    send("batch_review_progress_percent", 75, "g", batch_id="batch_abc123")


@app.get("/slow")
async def slow() -> None:
    await asyncio.sleep(0.3)


@app.get("/boom")
async def boom() -> None:
    raise RuntimeError("as asked")
