# SPDX-License-Identifier: Apache-2.0
"""What a promise is: a sentence about the server, and a test that answers with a figure.

A module in tests/torture/promises registers each of its own with @promise. The test gets a Trial,
which says how long it may take and where its dice come from; it returns the figure, one line, or
raises. Each runs in a process of its own, so it may set limits and change its environment.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, TypeVar

from lib.builds import LOGS, ROOT

T = TypeVar("T")


class Broken(AssertionError):
    """The promise does not hold."""


@dataclass(frozen=True)
class Trial:
    """One run of one promise."""
    name: str
    short: bool
    seed: int
    scale: float = 1.0  # of all times of the long form

    @property
    def dice(self) -> random.Random:
        """The same for the same seed and promise."""
        return random.Random(f"{self.seed} {self.name}")

    def pick(self, short: T, long: T) -> T:
        return short if self.short else long

    def seconds(self, short: float, long: float) -> float:
        return short if self.short else long * self.scale

    @property
    def folder(self) -> Path:
        """Kept after the run, for what was found."""
        folder = LOGS / "torture" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class Promise:
    name: str
    text: str       # what is promised, as docs/reliability.md has it
    build: str      # which build-… the server is taken from
    in_short: bool  # part of the short form too
    aside: bool     # the long form: takes time rather than processors, so others run meanwhile
    about: str      # how it is tried
    test: Callable[[Trial], str]


PROMISES: dict[str, Promise] = {}


def promise(name: str, text: str, build: str = "asan",
            in_short: bool = True,
            aside: bool = False) -> Callable[[Callable[[Trial], str]], Callable[[Trial], str]]:
    """Register a test; its docstring says how it tries."""
    def register(test: Callable[[Trial], str]) -> Callable[[Trial], str]:
        assert name not in PROMISES, name
        about = " ".join((test.__doc__ or "").split()).rstrip(".")
        assert about, f"{name} does not say how it tries"
        PROMISES[name] = Promise(name, text, build, in_short, aside, about, test)
        return test

    return register


def use(build: str) -> None:
    """From here on, servers are of this build."""
    os.environ["BACOWR_STATSD"] = str(ROOT / f"build-{build}" / "bacowr-statsd")


def check(holds: bool, text: str) -> None:
    if not holds:
        raise Broken(text)
