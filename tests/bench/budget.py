#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that a line of each type may cost: a stage of `make test`.

callgrind counts what budget.c executes in bacowr_feed(), and the figures are held against
budget.json: 5 % more fails. They depend on the compiler and, a little, on libc and on what the
processor tells libc; with others than those of the record this says so, and the bound is wider. Some
types have to stay on the fast path: they are bounded by another one's figure.

    budget.py PROGRAM            count and compare; the last line is `N passed, N failed`
    budget.py PROGRAM --record   write budget.json anew: after a change that is meant
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = Path(__file__).resolve().with_name("budget.json")
SECONDS = 120

MORE = 1.05          # with the tools of the record
MORE_ELSEWHERE = 1.3  # with others

# (type, other type, at most so many times its instructions): what is not on the fast path costs
# several times as much.
FAST = [("counter, three tags", "counter", 2.0),
        ("counter, sample rate", "counter", 1.25),
        ("gauge", "counter", 1.25),
        ("gauge, signed", "gauge", 1.25),
        ("timer, sample rate", "timer", 1.25),
        ("timer, four packed values", "timer", 3.2)]


@dataclass
class Tools:
    """What figures depend on beside the source."""

    compiler: str
    libc: str
    valgrind: str
    machine: str  # with what libc chooses its functions by


@dataclass
class Record:
    tools: Tools
    instructions: dict[str, float]  # of a line

    @staticmethod
    def read() -> "Record":
        said = json.loads(RECORD.read_text())
        return Record(Tools(**said["tools"]), said["instructions"])

    def write(self) -> None:
        rounded = {name: round(figure, 1) for name, figure in self.instructions.items()}
        RECORD.write_text(json.dumps({"tools": asdict(self.tools), "instructions": rounded},
                                     indent=2) + "\n")


def said_by(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace",
                          timeout=SECONDS).stdout


def compiler_of(program: Path) -> str:
    """As it wrote into the program."""
    names = re.findall(r"(?:GCC|clang version|Ubuntu clang).*", said_by("readelf", "-p", ".comment",
                                                                       program))
    return "; ".join(sorted({name.strip() for name in names}))


def machine() -> str:
    flags = set(re.findall(r"[\w.]+", Path("/proc/cpuinfo").read_text()))
    wide = "avx2" if "avx2" in flags else "no avx2"
    return f"{platform.machine()}, {wide}"


def tools_of(program: Path) -> Tools:
    return Tools(compiler_of(program), " ".join(platform.libc_ver()),
                 said_by("valgrind", "--version").strip(), machine())


def sum_in(dump: Path) -> int:
    match = re.search(r"^totals: (\d+)$", dump.read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"callgrind wrote no sum: {dump.name}")
    return int(match[1])


def count(*command: str | Path, collect: str = "bacowr_feed",
          mark: str = "budget_mark") -> dict[str, float]:
    """What a program executes in one function, by what it prints, in its order: name, and number of
    times, of each sum between two marks. See budget.c."""
    with tempfile.TemporaryDirectory(prefix="bacowr-budget-") as folder:
        dumps = Path(folder) / "sums"
        types = said_by("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={dumps}",
                        f"--toggle-collect={collect}", f"--dump-before={mark}", *command)
        figures = {}
        for i, line in enumerate(types.splitlines()):
            name, n_lines = line.split("\t")
            figures[name] = sum_in(dumps.with_suffix(f".{2 * i + 2}")) / int(n_lines)
    if not figures or min(figures.values()) <= 0:
        raise ValueError("nothing was counted")
    return figures


def compare(figures: dict[str, float], recorded: dict[str, float], more: float) -> list[str]:
    """What is wrong: for each type at most one line."""
    wrong = [f"{name}: no such type any more" for name in recorded.keys() - figures.keys()]
    for name, figure in figures.items():
        budget = recorded.get(name, 0.0) * more
        if figure > budget:
            wrong.append(f"{name}: {figure:.1f} instructions a line, at most {budget:.1f} wanted")
    return wrong


def compare_fast(figures: dict[str, float]) -> list[str]:
    return [f"{name}: {figures[name] / figures[other]:.2f} times {other}, at most {most} wanted: "
            "is it on the fast path?"
            for name, other, most in FAST if figures[name] > most * figures[other]]


def check(figures: dict[str, float], tools: Tools, record: Record) -> int:
    differ = [f"{key} {value} (recorded: {asdict(record.tools)[key]})"
              for key, value in asdict(tools).items() if value != asdict(record.tools)[key]]
    if differ:
        print(f"not compared: within 5 %, but within {MORE_ELSEWHERE - 1:.0%}, since the record is "
              f"of others: {', '.join(differ)}")
    wrong = compare(figures, record.instructions, MORE_ELSEWHERE if differ else MORE)
    wrong += compare_fast(figures)
    for line in wrong:
        print(f"FAIL {line}")
    print(f"{len(figures) + len(FAST) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    figures, tools = count(program), tools_of(program)
    for name, figure in figures.items():
        print(f"{name:42} {figure:9.1f}")
    if arguments.record:
        Record(tools, figures).write()
        return 0
    return check(figures, tools, Record.read())


if __name__ == "__main__":
    sys.exit(main())
