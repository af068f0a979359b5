# SPDX-License-Identifier: Apache-2.0
"""The model of the hand-shake between workers and control, looked at in every order of its steps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lib.builds import ROOT
from lib.harness import new_folder
from torture.promise import Trial, check, promise

MODEL = ROOT / "tests" / "torture" / "handshake.pml"
HALVES = {"RELOAD": ["NO_FENCE"], "EXPIRY": ["NO_WAIT", "NO_MARK"]}


def explore(folder: Path, *defined: str) -> tuple[int, int]:
    """Broken laws (it ends at the first), and states."""
    for command in (["spin", *[f"-D{name}" for name in defined], "-a", str(MODEL)],
                    ["gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    done = subprocess.run(["./pan", "-m100000"], cwd=folder, capture_output=True, text=True)
    found = re.search(r"errors: (\d+)", done.stdout), re.search(r"(\d+) states, stored", done.stdout)
    check(all(found) and "max search depth" not in done.stdout, done.stdout + done.stderr)
    errors, states = (int(match[1]) for match in found if match)
    return errors, states


@promise("handshake", "no order of steps lets a worker use what was freed, or write to what was given "
                      "away", build="none")
def handshake(trial: Trial) -> str:
    """A model in Promela of epochs, reload and expiry with two workers, whose announcements may be
    late, explored to the end by spin; with the fence, the wait or the mark left out it has to fail"""
    turns, told = trial.pick(3, 4), []
    for half, parts in HALVES.items():
        with new_folder() as folder:
            less = ["PROMPT"] if trial.short and half == "EXPIRY" else []
            errors, states = explore(folder, half, f"TURNS={turns}", *less)
            check(errors == 0, f"{half}: a law is broken")
            told.append(f"{half.lower()} {states} states")
            for part in [] if less else parts:
                errors, _ = explore(folder, half, part, f"TURNS={max(turns, 4)}")
                check(errors > 0, f"{half} without its {part.removeprefix('NO_')} breaks no law")
    return ", ".join(told) + ": no law broken; with a part left out, each time one"
