# SPDX-License-Identifier: Apache-2.0
"""Two hours of an application's life, sent to real servers within a minute.

Each round is what happens in ten seconds. Its lines go to the servers, then each server's page is
taken down with the moment that the round stands for, as OpenMetrics that promtool can backfill.

Laws: the servers are real and count for themselves; only time is made up. So rates of the process's
      own costs (CPU) are of the work that was done, and never of idle waiting.
      A random generator with a fixed seed: the same hours each time.
"""

from __future__ import annotations

import gzip
import math
import random
import re
import signal
from typing import IO, Iterator, Mapping

from lib.harness import Server, wait_until

STEP = 10  # seconds: what prometheus.yml says of the scrapes
HOURS = 2  # panels show one, and ask for the hour before each moment
DATAGRAM = 1400

# (endpoint, method, requests per second, median seconds)
ENDPOINTS = [("/jobs", "GET", 14.0, 0.04), ("/jobs", "POST", 5.0, 0.12),
             ("/jobs/{id}", "GET", 22.0, 0.03), ("/batches", "GET", 6.0, 0.08),
             ("/batches/{id}/review", "POST", 2.0, 0.35)]
# (provider, model, generations in ten seconds, median seconds, dollars each)
MODELS = [("anthropic", "claude-3-haiku", 0.55, 4.0, 0.004),
          ("anthropic", "claude-3-opus", 0.14, 28.0, 0.085),
          ("openai", "gpt-4.1", 0.3, 14.0, 0.022)]
# Of a batch: when its review begins and ends, in shares of the two hours.
BATCHES = {"2026-01-guides": (0.1, 0.97), "2026-01-health": (0.55, 1.2),
           "2026-01-travel": (0.7, 1.9), "2026-02-finance": (0.9, 2.0)}
WORKERS = ("w1", "w2", "w3", "w4")
INCIDENT = (0.72, 0.78)  # a slow database: late answers, some of them errors
RELOADS = (0.6, 0.85)

Lines = list[str]


def _count(chance: random.Random, mean: float) -> int:
    """How many of rare, independent events; for many of them, near enough."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    n, left = 0, math.exp(-mean)
    product = chance.random()
    while product > left:
        n += 1
        product *= chance.random()
    return n


def _status(chance: random.Random, method: str, trouble: bool) -> int:
    share = chance.random()
    if share < (0.12 if trouble else 0.004):
        return 503 if trouble else 500
    if share < (0.15 if trouble else 0.035):
        return 404 if method == "GET" else 422
    return 200 if method == "GET" else 201


def _requests(chance: random.Random, day: float, trouble: bool) -> Iterator[str]:
    for endpoint, method, rate, median in ENDPOINTS:
        for _ in range(_count(chance, rate * STEP * day)):
            tags = f"endpoint:{endpoint},method:{method}"
            seconds = median * math.exp(chance.gauss(1.6 if trouble else 0, 0.7))
            yield f"api_requests_total:1|c|#{tags},status:{_status(chance, method, trouble)}"
            yield f"api_request_duration_seconds:{seconds * 1000:.1f}|ms|#{tags}"


def _work(chance: random.Random, day: float, share: float, trouble: bool) -> Iterator[str]:
    for provider, model, rate, median, dollars in MODELS:
        tags = f"provider:{provider},model:{model}"
        for _ in range(_count(chance, rate * day)):
            size = math.exp(chance.gauss(0, 0.4))
            yield f"llm_generation_duration_seconds:{median * size * 1000:.0f}|ms|#{tags}"
            yield f"llm_generation_cost_dollars:{dollars * size:.5f}|c|#{tags}"
    for status, rate in (("delivered", 0.75), ("blocked", 0.06), ("failed", 0.03)):
        for _ in range(_count(chance, rate * day)):
            yield f"jobs_completed_total:1|c|#status:{status}"
            yield f"qc_score:{min(100.0, chance.gauss(88, 6)):.1f}|h"
    yield f"active_jobs:{round(24 * day + (30 if trouble else 0) + chance.gauss(0, 1.5))}|g"
    for batch, (begin, end) in BATCHES.items():
        done = (share - begin) / (end - begin)
        if done >= 0:
            yield f"batch_review_progress_percent:{min(100.0, 100 * done):.0f}|g|#batch_id:{batch}"


def _strange(chance: random.Random, share: float) -> Iterator[str]:
    """What the aggregator's own dashboard is about: lines that nobody should send."""
    if 0.8 < share < 0.83:
        yield from ["no colon at all"] * _count(chance, 4)
        yield from ["api_requests_total:-1|c"] * _count(chance, 2)
    if 0.66 < share < 0.68:
        yield from ["cache.hits:1|c", "cache.hits:7|g"] * _count(chance, 3)
    yield from ["cache.hits:1|c"] * _count(chance, 20)


def rounds() -> Iterator[tuple[float, Mapping[str, Lines]]]:
    """The share of the time that has passed, and what each worker sends then."""
    chance = random.Random(20260101)
    n_rounds = HOURS * 3600 // STEP
    for i in range(n_rounds):
        share = i / n_rounds
        trouble = INCIDENT[0] < share < INCIDENT[1]
        day = 1 + 0.25 * math.sin(share * 9) + 0.05 * math.sin(share * 70)
        lines = [*_requests(chance, day, trouble), *_work(chance, day, share, trouble),
                 *_strange(chance, share)]
        by_worker: dict[str, Lines] = {worker: [] for worker in WORKERS}
        # Gauges have one owner: the first worker. Two servers would add up its jobs.
        for line in lines:
            worker = WORKERS[0] if "|g" in line else chance.choice(WORKERS)
            by_worker[worker].append(line)
        for worker, own in by_worker.items():
            busy = _count(chance, 6 if trouble else 2)
            own.append(f"http_requests_inprogress:{busy}|g|#worker:{worker}")
        yield share, by_worker


def datagrams(lines: Lines) -> Iterator[str]:
    packed = ""
    for line in lines:
        if packed and len(packed) + 1 + len(line) > DATAGRAM:
            yield packed
            packed = ""
        packed = f"{packed}\n{line}" if packed else line
    if packed:
        yield packed


def _page(server: Server) -> str:
    """As Prometheus asks for it, once all that was sent is worked off."""
    found: list[str] = []

    def worked_off() -> bool:
        answer = server.get("/metrics", headers={"Accept-Encoding": "gzip"})
        found[:] = [gzip.decompress(answer.body).decode()]
        count = re.search(r"(?m)^bacowr_statsd_datagrams_total (\S+)$", found[0])
        return count is not None and float(count[1]) >= server.sent_datagrams

    wait_until("the round is worked off", worked_off)
    return found[0]


def _samples(page: str, instance: str, moment: float) -> Iterator[str]:
    """Each sample with the labels of its target and the moment; comments are left out."""
    target = f'instance="{instance}",job="bacowr-api"'
    yield f"up{{{target}}} 1 {moment:.0f}\n"
    for line in page.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name, brace, labels = series.partition("{")
            rest = f",{labels}" if brace else "}"
            yield f"{name}{{{target}{rest} {value} {moment:.0f}\n"


def record(servers: Mapping[str, Server], end: float, out: IO[str]) -> None:
    """Send all rounds, up to the moment @end; workers are spread over the @servers."""
    names = list(servers)
    reloads = list(RELOADS)
    for share, by_worker in rounds():
        if reloads and share >= reloads[0]:
            reloads.pop(0)
            for server in servers.values():
                server.signal(signal.SIGHUP)
        for i, lines in enumerate(by_worker.values()):
            servers[names[i % len(names)]].send(*datagrams(lines))
        moment = end - (1 - share) * HOURS * 3600 + STEP
        for name, server in servers.items():
            out.writelines(_samples(_page(server), name, moment))
    out.write("# EOF\n")
