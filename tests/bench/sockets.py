#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the server costs over its sockets: `make bench`, and `make bench-against PEER='COMMAND'`.

Everything stays on loopback and is bounded in time. The server and a bare receiver (sink.c) take
turns under the same load, so that what else the machine does meets both; only ratios carry from one
machine to the next. docs/performance.md explains each row.

With --peer another server takes ours' place: its command, in which {port} is filled in and, if it
has a page for Prometheus, {web}. What it has no counterpart for is left out.

A missed gate is exit status 1; a benchmark that cannot be believed is 2.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.measures import MEASURES, SIZES, Bench  # noqa: E402
from bench.receivers import Programs, Unbelievable, load_cpu, machine  # noqa: E402
from bench.tables import Report  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", action="append", choices=MEASURES, help="may be repeated")
    parser.add_argument("--build", type=Path, default=ROOT / "build-bench",
                        help="the folder of the programs")
    parser.add_argument("--peer", metavar="COMMAND")
    parser.add_argument("--size", choices=SIZES, default="full",
                        help="tiny: whether it works; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--gates", action="store_true",
                        help="a missed gate is exit status 1: so it is without, too")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("at least one round")
    if arguments.peer is not None and "{port}" not in arguments.peer:
        parser.error("the peer's command says nowhere {port}")
    return arguments


def measure(arguments: argparse.Namespace, folder: Path) -> Report:
    build = arguments.build.resolve()
    size = SIZES[arguments.size]
    programs = Programs(build / "tests" / "bench", ("--lines", str(size.n_lines)))
    mapping = folder / "mapping.yml"
    mapping.write_bytes(subprocess.run([programs.folder / "load", "--mapping"], check=True,
                                       stdout=subprocess.PIPE, timeout=60).stdout)
    report = Report(machine(), arguments.rounds, arguments.peer)
    bench = Bench(report, size, build / "bacowr-statsd", programs, mapping,
                  folder / "receivers.log")
    for name in arguments.only or MEASURES:
        print(f"sockets: {name} ...", file=sys.stderr, flush=True)
        MEASURES[name](bench)
    return report


def main() -> int:
    arguments = read_arguments()
    os.sched_setaffinity(0, [load_cpu()])
    with tempfile.TemporaryDirectory(prefix="bacowr-bench-") as folder:
        try:
            report = measure(arguments, Path(folder))
        except (Unbelievable, AssertionError, OSError, subprocess.SubprocessError) as error:
            print(f"sockets: {error}", file=sys.stderr)
            return 2
    print(report.table())
    if arguments.json:
        arguments.json.write_text(report.as_json())
    return 1 if report.missed(gates_only=True) else 0


if __name__ == "__main__":
    sys.exit(main())
