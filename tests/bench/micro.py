#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each step of a line and of a page costs: a part of `make bench`.

bench_micro.c has the steps. Its program runs twice: for ns, medians of rounds; and by callgrind, for
instructions, which repeat whatever else the machine does. There are no goals here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import budget  # noqa: E402
from bench.receivers import machine  # noqa: E402
from bench.tables import Spread  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = "{:<30} {:<10} {:<24} {:>12}"


def times(program: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Its rows, by name."""
    with tempfile.TemporaryDirectory(prefix="bacowr-bench-") as folder:
        file = Path(folder) / "micro.json"
        subprocess.run([program, "--only", "micro", "--rounds", str(rounds), "--json", file],
                       check=True, stdout=subprocess.DEVNULL, timeout=300)
        return {row["name"]: row for row in json.loads(file.read_text())["rows"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--program", type=Path, default=ROOT / "build-bench/tests/bench/bench")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    try:
        rows = times(arguments.program, arguments.rounds)
        counts = budget.count(arguments.program, "--count", collect="micro_run", mark="micro_mark")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"micro: {error}", file=sys.stderr)
        return 2
    print(f"{machine()}. Medians of {arguments.rounds} rounds (lowest-highest).\n")
    print(COLUMNS.format("", "unit", "", "instructions"))
    for name, row in rows.items():
        row["instructions"] = round(counts[name], 1)
        print(COLUMNS.format(name, row["unit"], str(Spread(**row["ours"])), f"{counts[name]:.1f}"))
    if arguments.json:
        said = {"machine": machine(), "rounds": arguments.rounds, "rows": list(rows.values())}
        arguments.json.write_text(json.dumps(said, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
