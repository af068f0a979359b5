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
