# SPDX-License-Identifier: Apache-2.0
"""The builds that tests run on, each in a folder of its own, and commands whose output is kept.

A build is configured once and then only brought up to date; a warning is an error in it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "test-logs"
JOBS = 2


class Broken(Exception):
    """A stage cannot go on: a build or a tool failed."""


def call(log: str, command: list[str], env: Mapping[str, str] | None = None,
         seconds: float | None = 600.0, descriptors: Sequence[int] = ()) -> tuple[int, str]:
    """Run a command, which gets these descriptors too; its exit status and output, kept as a log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, cwd=ROOT, env=os.environ | (env or {}), timeout=seconds,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              pass_fds=descriptors)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        output = said.decode(errors="replace") if isinstance(said, bytes) else said
        status, output = -1, f"{output}\nnot done within {seconds:g} s: {' '.join(command)}\n"
    (LOGS / f"{log}.log").write_text(output)
    return status, output


def must(log: str, command: list[str], env: Mapping[str, str] | None = None) -> str:
    status, output = call(log, command, env)
    if status != 0:
        raise Broken(f"{output}\nfailed: {' '.join(command)}")
    return output


def configure(folder: str, *options: str, env: Mapping[str, str] | None = None) -> None:
    if not (ROOT / folder / "build.ninja").exists():
        must(f"{folder}-setup", ["meson", "setup", folder, "-Dwerror=true", *options], env)


def build(folder: str, *targets: str) -> None:
    must(f"{folder}-build", ["ninja", "--quiet", "-C", folder, f"-j{JOBS}", *targets])


def build_asan(*targets: str) -> None:
    configure("build-asan", "-Dbuildtype=debugoptimized", "-Db_lto=false",
              "-Db_sanitize=address,undefined")
    build("build-asan", *targets)


def build_tsan(*targets: str) -> None:
    # gcc warns that its thread sanitizer does not see fences. Ours stand between atomic accesses,
    # which are no races with or without them.
    configure("build-tsan", "-Dbuildtype=debugoptimized", "-Db_lto=false", "-Db_sanitize=thread",
              "-Dc_args=-Wno-tsan")
    build("build-tsan", *targets)


def build_release() -> None:
    configure("build-release", "-Dtests=false")
    build("build-release")


def build_bench(*targets: str) -> None:
    """The release again, with what measures it."""
    configure("build-bench")
    build("build-bench", *targets)


def configure_fuzz() -> None:
    configure("build-fuzz", "-Dfuzz=true", "-Dbuildtype=debugoptimized", "-Db_lto=false",
              env={"CC": "clang-14"})
