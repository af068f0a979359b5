# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table for people and as JSON: report.c's, in Python.

A row is a figure, perhaps a reference's figure beside it and their ratio, perhaps a goal for one of
them. A goal that is a gate decides the exit status, if that was asked for; others are printed only.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Sequence

COLUMNS = "{:<9} {:<26} {:<9} {:<22} {:<22} {:<18} {:<22} {}"


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        size = abs(self.median)
        decimals = 3 if size < 1 else 2 if size < 10 else 1 if size < 1000 else 0
        if self.low == self.high:
            return f"{self.median:.{decimals if self.median % 1 else 0}f}"
        return f"{self.median:.{decimals}f} ({self.low:.{decimals}f}-{self.high:.{decimals}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    at_most: float
    of: str = "ours"  # or ratio
    gate: bool = False


@dataclass(frozen=True)
class Row:
    group: str
    name: str
    unit: str
    ours: Spread
    reference: Spread | None = None
    ratio: Spread | None = None  # round by round: the two of a round met the same weather
    goal: Goal | None = None
    note: str = ""

    def met(self) -> bool:
        """True for a row without a goal."""
        if self.goal is None:
            return True
        figure = self.ratio if self.goal.of == "ratio" else self.ours
        return figure is not None and figure.median <= self.goal.at_most

    def __str__(self) -> str:
        goal = "-"
        if self.goal is not None:
            goal = f"{self.goal.of} <= {self.goal.at_most:g} {'met' if self.met() else 'MISSED'}"
        cells = [str(cell) if cell else "-" for cell in (self.ours, self.reference, self.ratio)]
        return COLUMNS.format(self.group, self.name, self.unit, *cells, goal, self.note).rstrip()

    def as_json(self) -> dict[str, Any]:
        found = {key: value for key, value in asdict(self).items() if value not in (None, "")}
        if self.goal is not None:
            found["goal"]["met"] = self.met()
        return found


def pair(group: str, name: str, unit: str, ours: Sequence[float], reference: Sequence[float],
         goal: Goal | None = None, note: str = "") -> Row:
    ratios = [one / other for one, other in zip(ours, reference, strict=True)]
    return Row(group, name, unit, spread(ours), spread(reference), spread(ratios), goal, note)


@dataclass(frozen=True)
class Account:
    """Datagrams, from the first to the last of a receiver's life."""

    who: str
    sent: int
    received: int  # by its own count
    dropped: int   # by the kernel's count, and by its own if it has one

    def agrees(self) -> bool:
        return self.sent == self.received + self.dropped


@dataclass
class Report:
    machine: str
    rounds: int
    peer: str | None = None  # the command of who took ours' place
    rows: list[Row] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)

    def missed(self, gates_only: bool = False) -> int:
        return sum(not row.met() and (row.goal is not None and row.goal.gate or not gates_only)
                   for row in self.rows)

    def table(self) -> str:
        lines = [f"{self.machine}. Medians of {self.rounds} interleaved rounds (lowest-highest); "
                 "CPU time of the whole process.", "",
                 COLUMNS.format("", "", "unit", "peer" if self.peer else "ours", "reference",
                                "ratio", "goal", "").rstrip()]
        lines += map(str, self.rows)
        lines += ["", f"{len(self.accounts)} accounts of datagrams, "
                      f"{sum(account.sent for account in self.accounts)} sent: each received or "
                      "counted as dropped"]
        lines += [f"the peer: {self.peer}" if self.peer else
                  f"{self.missed()} goals missed, {self.missed(gates_only=True)} of them gates"]
        return "\n".join(lines)

    def as_json(self) -> str:
        return json.dumps({"machine": self.machine, "rounds": self.rounds, "peer": self.peer,
                           "rows": [row.as_json() for row in self.rows],
                           "accounts": [asdict(account) for account in self.accounts]},
                          indent=2) + "\n"
