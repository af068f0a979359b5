# SPDX-License-Identifier: Apache-2.0
"""The fuzz targets of tests/fuzz, for longer than `make test` has time for."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

from lib import builds
from lib.builds import ROOT
from lib.harness import new_folder
from torture.promise import Broken, Trial, check, promise

COVERAGE = re.compile(r"^#(\d+)\s.*\bcov: (\d+)", re.MULTILINE)


def targets() -> dict[str, Path]:
    """By name: what tests/fuzz/meson.build defines."""
    builds.configure_fuzz()
    listed = json.loads(builds.must("fuzz-targets", ["meson", "introspect", "build-fuzz",
                                                     "--targets"]))
    found = {target["name"]: Path(target["filename"][0]) for target in listed
             if target["type"] == "executable"
             and Path(target["defined_in"]).parent == ROOT / "tests" / "fuzz"}
    builds.build("build-fuzz", *[str(program.relative_to(ROOT / "build-fuzz"))
                                 for program in found.values()])
    return found


def one(trial: Trial, name: str, program: Path, seconds: float) -> str:
    """Fuzz from the corpus on; what it covered, and since when it has found nothing new."""
    corpus = ROOT / "tests" / "fuzz" / "corpus" / name.removeprefix("fuzz_")
    found = trial.folder / name
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    with new_folder() as fresh:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run([str(program), f"-max_total_time={seconds:.0f}", "-timeout=10",
                               f"-seed={trial.seed + 1}", f"-artifact_prefix={found}/", "-jobs=0",
                               str(fresh), str(corpus)], capture_output=True, text=True,
                              errors="replace", cwd=fresh,
                              env=os.environ | {"ASAN_OPTIONS": "detect_leaks=1"})
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    if done.returncode != 0:
        raise Broken(f"{name}: see {found.relative_to(ROOT)}\n{done.stderr[-3000:]}")
    steps = [(int(n), int(cov)) for n, cov in COVERAGE.findall(done.stderr)]
    check(len(steps) > 1, f"{name} told no coverage:\n{done.stderr[-1000:]}")
    runs, covered = steps[-1]
    plateau = next(n for n, cov in steps if cov == covered)
    return (f"{name.removeprefix('fuzz_')}: {runs:,} runs, {cpu:.0f} CPU s, {covered} edges, none new "
            f"in the last {1 - plateau / runs:.0%}")


@promise("fuzz", "no bytes break a law of a parser, loader or encoder", build="none", in_short=False)
def fuzz(trial: Trial) -> str:
    """libFuzzer with sanitizers on every target of tests/fuzz, ten minutes each; in short they are
    the stage fuzz of `make test`"""
    pool = concurrent.futures.ProcessPoolExecutor(builds.JOBS)  # each counts its own CPU time
    told = [pool.submit(one, trial, name, program, trial.seconds(5, 600))
            for name, program in sorted(targets().items())]
    for figure in concurrent.futures.as_completed(told):
        figure.result()  # the first fault ends the promise, which takes the others with it
    return "; ".join(figure.result() for figure in told)
