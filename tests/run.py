#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test: `make test`, or a part of it with --only STAGE. What needs root, a Docker engine or a
systemd of its own, `make test-stack`, is run only when named.

Each stage prints one line; what a failing test said is shown above it, passing ones are quiet. The
last line is `N passed, N failed`. A stage in which no test ran has failed. Everything a stage
printed is kept under build/test-logs.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Mapping, Sequence

from lib.builds import (JOBS, LOGS, ROOT, Broken, build, build_asan, build_bench, build_release,
                        build_tsan, call, configure_fuzz, must)

FUZZ_SECONDS = 20

SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=1",
              "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    note: str = ""

    def __add__(self, other: "Count") -> "Count":
        notes = [note for note in (self.note, other.note) if note]
        return Count(self.passed + other.passed, self.failed + other.failed, "; ".join(notes))


def total(counts: Iterable[Count]) -> Count:
    return sum(counts, Count())


def show(output: str) -> None:
    print(output.rstrip(), flush=True)


# ---- programs that print `N passed, N failed` last, or only have an exit status ----

def count_script(log: str, command: list[str], env: Mapping[str, str] | None = None) -> Count:
    status, output = call(log, command, env)
    lines = output.strip().splitlines()
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", lines[-1]) if lines else None
    count = Count(int(match[1]), int(match[2])) if match else Count(int(status == 0), 0)
    if status != 0:
        count.failed = max(count.failed, 1)
        show(output)
    for line in lines:
        if line.startswith("not compared: "):
            count.note = line
    return count


# ---- check programs, run by meson ----

CHECKS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.MULTILINE)


def count_meson(folder: str, suites: list[str]) -> Count:
    """Run meson's tests of these suites (all when empty) and add up check's own numbers."""
    log = ROOT / folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    chosen = [f"--suite={suite}" for suite in suites]
    call(f"{folder}-test", ["meson", "test", "-C", folder, "--no-rebuild",
                            f"--num-processes={JOBS}", *chosen], SANITIZERS)
    entries = log.read_text().splitlines() if log.exists() else []
    if not entries:
        raise Broken(f"meson ran no test in {folder} {' '.join(suites)}")
    return total(count_program(json.loads(entry)) for entry in entries)


def count_program(entry: dict[str, object]) -> Count:
    output = str(entry.get("stdout", "")) + str(entry.get("stderr", ""))
    match = CHECKS.search(output)
    checks, failures, errors = map(int, match.groups()) if match else (0, 0, 0)
    if entry["result"] == "OK" and checks > 0:
        return Count(checks, 0)
    show(f"FAIL {entry['name']} ({entry['result']})\n{output}")
    failed = max(failures + errors, 1)
    return Count(max(checks - failed, 0), failed)


# ---- Python tests: each file a process of its own, a few at a time ----

RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
BAD = re.compile(r"^(?:FAIL|ERROR): (\S+ \(\S+\))", re.MULTILINE)


def count_unittest(log: str, file: Path, env: Mapping[str, str],
                   descriptors: Sequence[int] = (), seconds: int = 400) -> Count:
    """Run one file of test cases. A skipped test counts as failed: nothing passes unseen."""
    command = [sys.executable, "-B", "-m", "unittest", file.stem]
    path = f"{file.parent}:{ROOT / 'tests'}"
    status, output = call(f"{log}-{file.stem}", command, dict(env) | {"PYTHONPATH": path},
                          seconds, descriptors)
    match = RAN.search(output)
    ran = int(match[1]) if match else 0
    if status == 0 and ran > 0 and "skipped=" not in output:
        return Count(ran, 0)
    show(f"FAIL {file.relative_to(ROOT)}\n{output}")
    # One test may fail several times, with its subtests and its clean-up.
    failed = max(len(set(BAD.findall(output))), 1)
    return Count(max(ran - failed, 0), failed)


def python_tests(log: str, files: Iterable[Path], binary: str) -> Count:
    env = {"BACOWR_STATSD": str(ROOT / binary), "BACOWR_TEST_LOGS": str(LOGS / log)}
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return total(pool.map(lambda file: count_unittest(log, file, env), sorted(files)))


# ---- fuzz targets ----

def fuzz_targets() -> dict[str, Path]:
    """Name and program of every executable that tests/fuzz/meson.build defines."""
    listed = json.loads(must("fuzz-targets", ["meson", "introspect", "build-fuzz", "--targets"]))
    return {target["name"]: Path(target["filename"][0]) for target in listed
            if target["type"] == "executable"
            and Path(target["defined_in"]).parent == ROOT / "tests" / "fuzz"}


def fuzz_one(name: str, program: Path) -> Count:
    """Every input of the corpus once, then new ones for a while; findings stay with the logs."""
    corpus = ROOT / "tests" / "fuzz" / "corpus" / name.removeprefix("fuzz_")
    if not corpus.is_dir() or not any(corpus.iterdir()):
        raise Broken(f"{name} has no corpus: {corpus.relative_to(ROOT)}")
    found = LOGS / "fuzz" / name
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True)
    common = [str(program), "-timeout=10", f"-artifact_prefix={found}/"]
    results = [call(f"{name}-replay", [*common, "-runs=0", str(corpus)], SANITIZERS),
               call(f"{name}-fuzz", [*common, f"-max_total_time={FUZZ_SECONDS}", str(found),
                                     str(corpus)], SANITIZERS)]
    for status, output in results:
        if status != 0:
            show(f"FAIL {name}\n{output[-4000:]}")
    n_failed = sum(status != 0 for status, _ in results)
    return Count(len(results) - n_failed, n_failed)


# ---- the stages ----

def stage_style() -> Count:
    return total(count_script(script.stem, [sys.executable, str(script)])
                 for script in sorted((ROOT / "tests" / "style").glob("check_*.py")))


def stage_unit() -> Count:
    build_asan()
    return count_meson("build-asan", [])


def stage_threads() -> Count:
    """What has threads, under the thread sanitizer: the C tests, then the whole server. A test with
    one thread has no race to be found, and takes several times as long there."""
    sources = (ROOT / "tests" / "threads").glob("test_*.c")
    build_tsan("bacowr-statsd", *[f"tests/threads/{source.stem}" for source in sources])
    file = ROOT / "tests" / "server" / "test_threads.py"
    return (count_meson("build-tsan", ["threads"])
            + python_tests("threads", [file], "build-tsan/bacowr-statsd"))


def stage_torture() -> Count:
    """A short form of all promises, two at a time."""
    script = ROOT / "tests" / "torture" / "run.py"
    return count_script("torture", [sys.executable, "-B", str(script), "--short"])


def stage_release() -> Count:
    """The shipped build without a warning, and a binary that runs."""
    build_release()
    output = must("release-version", ["build-release/bacowr-statsd", "--version"])
    return Count(1, 0) if "bacowr-statsd" in output else Count(0, 1)


def stage_budget() -> Count:
    """Instructions a line, of the release."""
    build_bench("tests/bench/budget")
    script = ROOT / "tests" / "bench" / "budget.py"
    return count_script("budget", [sys.executable, "-B", str(script),
                                   "build-bench/tests/bench/budget"])


def stage_fuzz() -> Count:
    configure_fuzz()
    targets = fuzz_targets()
    folder = ROOT / "build-fuzz"
    build("build-fuzz", *[str(program.relative_to(folder)) for program in targets.values()])
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return total(pool.map(lambda item: fuzz_one(*item), targets.items()))


def stage_conformance() -> Count:
    build_release()
    script = ROOT / "tests" / "server" / "conformance.py"
    return count_script("conformance", [sys.executable, "-B", str(script), f"--jobs={JOBS}"],
                        {"BACOWR_STATSD": str(ROOT / "build-release" / "bacowr-statsd"),
                         "BACOWR_TEST_LOGS": str(LOGS / "conformance")})


def stage_wire() -> Count:
    build_asan("bacowr-statsd", "tests/bench/load", "tests/bench/sink")
    return python_tests("wire", (ROOT / "tests" / "server").glob("test_*.py"),
                        "build-asan/bacowr-statsd")


def stage_interop() -> Count:
    build_release()
    return python_tests("interop", (ROOT / "tests" / "interop").glob("test_*.py"),
                        "build-release/bacowr-statsd")


def stage_clients() -> Count:
    build_asan("bacowr-statsd")
    return python_tests("clients", (ROOT / "tests" / "clients").glob("test_*.py"),
                        "build-asan/bacowr-statsd")


def stage_stack() -> Count:
    build_release()
    return python_tests("stack", (ROOT / "tests" / "stack").glob("test_*.py"),
                        "build-release/bacowr-statsd")


def stage_package() -> Count:
    """Two builds with link-time optimisation side by side: two minutes of two processors."""
    file = ROOT / "tests" / "package" / "test_package.py"
    return count_unittest("package", file, {"BACOWR_TEST_LOGS": str(LOGS / "package")},
                          seconds=1200)


def stage_containers() -> Count:
    """It takes minutes, so its steps are shown as they are begun, past what is kept of it."""
    file = ROOT / "tests" / "containers" / "test_containers.py"
    steps = os.dup(sys.stdout.fileno())
    env = {"BACOWR_TEST_LOGS": str(LOGS / "containers"), "BACOWR_TEST_STEPS": str(steps)}
    return count_unittest("containers", file, env, (steps,))


def stage_systemd() -> Count:
    """As root, in namespaces; see tests/containers/manager.py."""
    build_release()
    return python_tests("systemd", [ROOT / "tests" / "containers" / "test_units.py"],
                        "build-release/bacowr-statsd")


STAGES: dict[str, tuple[Callable[[], Count], str]] = {
    "style": (stage_style, "which floor includes what, and how files look"),
    "unit": (stage_unit, "C tests with the address and undefined sanitizers"),
    "threads": (stage_threads, "C tests and the server with the thread sanitizer"),
    "release": (stage_release, "the shipped build, warnings as errors"),
    "budget": (stage_budget, "how many instructions a line of each type costs"),
    "fuzz": (stage_fuzz, "fuzz targets: their corpora, then new inputs"),
    "conformance": (stage_conformance, "recorded behaviour of statsd_exporter"),
    "wire": (stage_wire, "the server over its sockets, with sanitizers"),
    "torture": (stage_torture, "what docs/reliability.md promises, in short"),
    "clients": (stage_clients, "the Python client, and an application that uses it"),
    "interop": (stage_interop, "real clients and a real Prometheus"),
    "stack": (stage_stack, "dashboards, several servers, the demo, the documents' commands"),
    "package": (stage_package, "the Debian package in a clean chroot; only when named"),
    "containers": (stage_containers, "the image and the stack on a real Docker engine; only when "
                                     "named"),
    "systemd": (stage_systemd, "the units under a real systemd, restarts under load; only when named"),
}
NAMED_ONLY = {"containers", "package", "systemd"}


def run_stage(name: str) -> Count:
    begin = time.monotonic()
    try:
        count = STAGES[name][0]()
    except (Broken, OSError, ValueError) as error:
        show(f"FAIL {name}: {error}")
        count = Count(0, 1)
    if count.passed + count.failed == 0:
        count = Count(0, 1, "no test ran")
    note = f"  ({count.note})" if count.note else ""
    print(f"{name:12} {count.passed:5} passed {count.failed:4} failed "
          f"{time.monotonic() - begin:7.1f} s{note}", flush=True)
    return count


def main() -> int:
    lines = "\n".join(f"  {name:12} {about}" for name, (_, about) in STAGES.items())
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__, epilog=f"stages:\n{lines}")
    parser.add_argument("--only", action="append", choices=STAGES, metavar="STAGE",
                        help="run this stage; may be repeated")
    chosen = parser.parse_args().only or STAGES.keys() - NAMED_ONLY
    count = total(run_stage(name) for name in STAGES if name in chosen)
    print(f"{count.passed} passed, {count.failed} failed")
    return 0 if count.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
