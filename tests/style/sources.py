# SPDX-License-Identifier: Apache-2.0
"""What the style checks share: the files, their lines, the findings and the count at the end.

A check is a function from a path and its text to findings, so it can be fed text that breaks a rule
on purpose. Both checks do that first: one that overlooks a planted breach has failed, whatever it
says about the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str  # a word that planted breaches are recognised by
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


@dataclass(frozen=True)
class Planted:
    """A file that does not exist, and the rules that it breaks: none, when it is clean."""

    path: str
    text: str
    rules: frozenset[str]


Check = Callable[[str, str], Iterable[Finding]]


def planted(path: str, text: str, *rules: str) -> Planted:
    return Planted(path, text, frozenset(rules))


def files(*patterns: str) -> Iterator[tuple[str, str]]:
    """Paths below the root, and what they hold."""
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


# A comment, or a literal in which what looks like a comment is none.
TOKEN = re.compile(r'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def without_comments(text: str) -> str:
    """The same lines, with nothing where comments were."""

    def blank(match: re.Match[str]) -> str:
        token = match[0]
        return "\n" * token.count("\n") + " " if token.startswith("/") else token

    return TOKEN.sub(blank, text)


def self_test(check: Check, cases: Iterable[Planted]) -> tuple[int, int]:
    n_passed = n_failed = 0
    for case in cases:
        found = {finding.rule for finding in check(case.path, case.text)}
        if found == case.rules:
            n_passed += 1
            continue
        n_failed += 1
        print(f"self-test: {case.path}: planted {sorted(case.rules)}, found {sorted(found)}:")
        print("\n".join(f"    {line}" for line in case.text.splitlines()))
    return n_passed, n_failed


def check_files(check: Check, found_files: Iterable[tuple[str, str]]) -> tuple[int, int]:
    n_passed = n_failed = 0
    for path, text in found_files:
        findings = list(check(path, text))
        for finding in findings:
            print(finding)
        n_failed += bool(findings)
        n_passed += not findings
    if n_passed + n_failed == 0:
        print("no files found")
        return 0, 1
    return n_passed, n_failed


def report(*counts: tuple[int, int]) -> int:
    """Print the last line. The exit status."""
    n_passed = sum(passed for passed, _ in counts)
    n_failed = sum(failed for _, failed in counts)
    print(f"{n_passed} passed, {n_failed} failed")
    return 1 if n_failed else 0
