#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sdist.py DIR: the source archive of clients/python in DIR, the same bytes each time.

setuptools makes it, of a copy, since it leaves a folder behind. Its archive has the times, the
owner and the modes of whoever built it, so the members go into a new one without these: in the
order of their names, with the time of SOURCE_DATE_EPOCH, which has to be set.

Laws: what is in a file is not changed. Nothing is looked up in a network.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "python"
BUILD = "import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])"
SOURCES = ("README.md", "pyproject.toml", "bacowr_metrics")


def built(folder: Path) -> Path:
    """setuptools' own archive, made in @folder."""
    source, out = folder / "source", folder / "out"
    source.mkdir()
    out.mkdir()
    for name in SOURCES:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, source / name,
                            ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PACKAGE / name, source / name)
    shutil.copy(ROOT / "LICENSE", source)
    done = subprocess.run([sys.executable, "-c", BUILD, out], cwd=source, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"sdist.py: setuptools failed\n{done.stdout}{done.stderr}")
    (archive,) = out.iterdir()
    return archive


def plain(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    """Only what everybody's has."""
    made = tarfile.TarInfo(member.name)
    made.type, made.size, made.mtime = member.type, member.size, epoch
    made.mode = 0o755 if member.isdir() else 0o644
    return made


def again(archive: Path, epoch: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(archive) as old, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda m: m.name):
            new.addfile(plain(member, epoch), old.extractfile(member) if member.isfile() else None)
    return gzip.compress(packed.getvalue(), mtime=epoch)


def main() -> None:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if len(sys.argv) != 2 or not epoch.isdigit():
        raise SystemExit("usage: SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) sdist.py DIR")
    with tempfile.TemporaryDirectory() as folder:
        archive = built(Path(folder))
        out = Path(sys.argv[1]) / archive.name
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(again(archive, int(epoch)))
    print(out)


if __name__ == "__main__":
    main()
