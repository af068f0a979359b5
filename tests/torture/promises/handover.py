# SPDX-License-Identifier: Apache-2.0
"""Restarts under load, by hand-over from one process to the next."""

from __future__ import annotations

from torture.handover import hand_over
from torture.promise import Trial, promise


@promise("handover", "a hand-over to a new process loses no line, connection or count",
         build="release", in_short=False)
def restarts(_trial: Trial) -> str:
    """Twenty successors take over, under 200 000 lines/s of UDP and TCP cut anywhere; sent is
    counted, or in the kernel's count, and no counter falls for a scraper that looks on"""
    return str(hand_over(20, 200_000))


@promise("handover.races", "a hand-over races nowhere", build="tsan", in_short=False)
def races(_trial: Trial) -> str:
    """Sixty successors of a server with three ingest threads, and sixty with one, under the thread
    sanitizer and 4000 lines/s, with exemplars; no report, and the same account"""
    results = [hand_over(60, 4_000, f"--statsd.ingest-threads={n}", "--statsd.exemplar-tag=of",
                         "--web.enable-openmetrics") for n in (3, 1)]
    lines = sum(result.lines for result in results)
    return (f"{sum(result.restarts for result in results)} hand-overs, {lines} lines sent, "
            f"{sum(result.pages for result in results)} pages: no race, all counted")
