#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every link of a document to a file of the project leads to one, and to a heading that is there.

A link is checked as GitHub makes anchors: lower case, no punctuation, a hyphen for each space.
Addresses elsewhere are not asked for. A Markdown file in docs/ that nothing links to is lost.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def documents() -> list[Path]:
    folders = [path for path in ROOT.iterdir()
               if path.is_dir() and not path.name.startswith(("build", "backup", "."))]
    return sorted([*ROOT.glob("*.md"), *(path for one in folders for path in one.rglob("*.md"))])


def text_of(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[tuple[int, str]]:
    """Line and target; what stands in backticks is no link."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for target in LINK.findall(CODE.sub("`", line)):
            if not re.match(r"[a-z]+:", target):
                yield number, target


def main() -> int:
    passed = failed = 0
    met = {ROOT / "README.md"}
    for path in documents():
        for number, target in links(path):
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            fault = None
            if not file.exists():
                fault = "no such file"
            elif anchor and anchor not in anchors(file):
                fault = "no such heading"
            if fault:
                print(f"{path.relative_to(ROOT)}:{number}: {target}: {fault}")
                failed += 1
                continue
            passed += 1
            if file != path:
                met.add(file)
    for path in documents():
        if path.parent == ROOT / "docs" and path not in met:
            print(f"{path.relative_to(ROOT)}: nothing links to it")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
