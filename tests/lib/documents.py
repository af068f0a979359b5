# SPDX-License-Identifier: Apache-2.0
"""The project's documents as the tests see them: chapters, and the fenced blocks in each."""

from __future__ import annotations

from pathlib import Path

from lib.harness import ROOT

FENCE = "```"


def folders() -> list[Path]:
    """The project's; what is built, hidden, or a backup is none of them."""
    return [path for path in ROOT.iterdir()
            if path.is_dir() and not path.name.startswith(("build", "backup", "."))]


def files() -> list[str]:
    """Every document's path, from the root."""
    found = [*ROOT.glob("*.md"), *(path for folder in folders() for path in folder.rglob("*.md"))]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def chapters(file: str) -> dict[str, list[str]]:
    """Of each chapter that has some, the blocks, in order; its name is the heading's text."""
    found: dict[str, list[str]] = {}
    chapter, block = "", None
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith(FENCE):
            if block is not None:
                found.setdefault(chapter, []).append("".join(block))
            block = [] if block is None else None
        elif block is not None:
            block.append(line + "\n")
        elif line.startswith("#"):
            chapter = line.lstrip("#").strip()
            assert chapter not in found, f"{file} has two chapters {chapter}"
    assert block is None, f"the last block of {file} has no end"
    return found
