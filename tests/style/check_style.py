#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How files look: what clang-format cannot see.

Every C file begins with the licence, a title and prose; headers are guarded by their path's name;
a .c file includes its own header first; no struct typedefs; every C test stands under the law that
it tests; no notes to oneself and no paths of one machine anywhere.

    check_style.py              planted breaches first, then the tree
    check_style.py --self-test  planted breaches only
    check_style.py --format     the tree's formatting too; fails where clang-format is missing

The last line is `N passed, N failed`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import PurePosixPath
from typing import Iterator

sys.dont_write_bytecode = True

from sources import (ROOT, Finding, Planted, check_files, files, planted, report, self_test,
                     without_comments)

C_FILES = ("src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]")
OTHER_FILES = ("tests/**/*.py", "clients/**/*.py", "tools/**/*.py", "tools/*.sh",
               "tools/preview/*.js*", "**/meson.build", "meson_options.txt", "Makefile",
               "conf/*.yml", "conf/examples/*.yml", ".ci/*", "Dockerfile", "*.yml",
               "compose/*.yml", "kubernetes/**/*.yaml", "prometheus/*.yml",
               "grafana/provisioning/**/*.yml")

LICENCE = "SPDX-License-Identifier: Apache-2.0"
MIN_PROSE = 4  # lines under the title of a .c in src

# In pieces, so that this file does not break its own rules.
NOTES = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|Us" r"ers)/\w|(?<![\w.])/ho" r"me/\w")

TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union)\b")
START_TEST = re.compile(r"^START_TEST\((\w+)\)")
OWN_HEADER = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


MAX_COLUMNS = 100


def is_c(path: str) -> bool:
    return path.endswith((".c", ".h"))


def head_lines(text: str) -> list[str]:
    """The lines of the comment block that follows the licence, without their decoration."""
    lines = text.splitlines()[1:]
    if not lines or not lines[0].startswith("/*"):
        return []
    head: list[str] = []
    for line in lines:
        words = re.sub(r"^\s*/?\*+/?|\*/$", "", line).strip()
        if words:
            head.append(words)
        if line.rstrip().endswith("*/"):
            return head
    return []


def guard_of(path: str) -> str:
    parts = PurePosixPath(path).parts
    return re.sub(r"\W", "_", "_".join(parts if parts[0] == "tests" else parts[1:])).upper()


def check_head(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    first = text.splitlines()[0] if text else ""
    if first != f"/* {LICENCE} */":
        yield 1, "licence", f"the first line is not /* {LICENCE} */"
    head = head_lines(text)
    if not head:
        yield 2, "head", "no title under the licence"
    elif path.startswith("src/") and path.endswith(".c") and len(head) - 1 < MIN_PROSE:
        yield 2, "head", f"{len(head) - 1} lines of prose under the title, at least {MIN_PROSE}"


def check_guard(path: str, code: list[str]) -> Iterator[tuple[int, str, str]]:
    lines = [(number, line) for number, line in enumerate(code, 1) if line.strip()]
    guard = guard_of(path)
    wanted = [(0, f"#ifndef {guard}"), (1, f"#define {guard}"), (-1, "#endif")]
    for place, want in wanted:
        if len(lines) < 3 or lines[place][1].strip() != want:
            yield lines[place][0] if len(lines) >= 3 else 1, "guard", f"here stands no {want}"
            return


def check_own_header(path: str, code: list[str]) -> Iterator[tuple[int, str, str]]:
    own = PurePosixPath(path).with_suffix(".h")
    if not (ROOT / own).exists():
        return
    for number, line in enumerate(code, 1):
        if match := OWN_HEADER.match(line):
            if match[1] != str(own.relative_to("src")):
                yield number, "own-header", f'"{own.relative_to("src")}" is not included first'
            return


def check_tests(path: str, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    module = PurePosixPath(path).stem
    for number, line in enumerate(lines, 1):
        match = START_TEST.match(line)
        if not match:
            continue
        if not match[1].startswith(module + "_"):
            yield number, "test-name", f"{match[1]} does not begin with {module}_"
        if number < 2 or not lines[number - 2].rstrip().endswith("*/"):
            yield number, "test-law", f"no law in a comment above {match[1]}"


def check_text(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(lines, 1):
        if match := NOTES.search(line):
            yield number, "note", f"{match[0]}: do it, or leave it to the issues"
        if match := MACHINE_PATHS.search(line):
            yield number, "machine-path", f"{match[0]}... is a path of one machine"
        if line != line.rstrip():
            yield number, "blank", "blanks at the end of the line"


def check_c(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    lines = text.splitlines()
    code = without_comments(text).splitlines()

    yield from check_head(path, text)
    if path.endswith(".h"):
        yield from check_guard(path, code)
    elif path.startswith("src/"):
        yield from check_own_header(path, code)
    if path.startswith("tests/unit/"):
        yield from check_tests(path, lines)
    for number, line in enumerate(code, 1):
        if TYPEDEF.match(line):
            yield number, "typedef", "a struct is called struct"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "tab", "a tab"
        if len(line) > MAX_COLUMNS:
            yield number, "columns", f"{len(line)} columns, at most {MAX_COLUMNS}"


def check(path: str, text: str) -> Iterator[Finding]:
    breaches = list(check_text(text.splitlines()))
    if is_c(path):
        breaches += check_c(path, text)
    if text and not text.endswith("\n"):
        breaches.append((text.count("\n") + 1, "blank", "no LF at the end of the file"))
    for line, rule, why in sorted(breaches):
        yield Finding(path, line, rule, why)


# ---- planted breaches ----

HEAD = f"/* {LICENCE} */\n/*\n * Title\n *\n * One.\n * Two.\n * Three.\n * Four.\n */\n"
SHORT = f"/* {LICENCE} */\n/*\n * Title\n */\n"


def header(guard: str) -> str:
    return f"{SHORT}#ifndef {guard}\n#define {guard}\n\nstruct a;\n\n#endif\n"


def law(comment: str, name: str) -> str:
    return f"{SHORT}{comment}START_TEST({name})\n{{\n}}\nEND_TEST\n"


def planted_cases() -> list[Planted]:
    note, path = "TO" "DO", "/wo" "rk/main"
    return [
        planted("src/base/a.c", HEAD + "int a;\n"),
        planted("src/base/a.c", HEAD.replace(LICENCE, "GPL"), "licence"),
        planted("src/base/a.c", "\n" + HEAD, "licence", "head"),
        planted("src/base/a.c", f"/* {LICENCE} */\nint a;\n", "head"),
        planted("src/base/a.c", SHORT, "head"),
        planted("src/base/a.c", HEAD.replace(" * Two.\n", " *\n"), "head"),
        planted("src/base/a.c", "", "licence", "head"),
        planted("tests/unit/base/test_a.c", SHORT),
        planted("tests/lib/a.c", f"/* {LICENCE} */\nint a;\n", "head"),

        planted("src/base/a.h", header("BASE_A_H")),
        planted("include/bacowr/a.h", header("BACOWR_A_H")),
        planted("tests/lib/a.h", header("TESTS_LIB_A_H")),
        planted("src/base/a.h", header("A_H"), "guard"),
        planted("src/base/a.h", header("SRC_BASE_A_H"), "guard"),
        planted("src/base/a.h", SHORT + "#pragma once\n", "guard"),
        planted("src/base/a.h", header("BASE_A_H") + "struct b;\n", "guard"),
        planted("src/base/a.h", header("BASE_A_H").replace("define BASE", "define BASS"), "guard"),

        planted("src/base/buf.c", HEAD + '#include "base/buf.h"\n#include <errno.h>\n'),
        planted("src/base/buf.c", HEAD + '#include <errno.h>\n#include "base/buf.h"\n',
                "own-header"),

        planted("src/base/a.c", HEAD + "typedef struct a a;\n", "typedef"),
        planted("src/base/a.c", HEAD + "/* " + 98 * "x" + "\n", "columns"),
        planted("src/base/a.c", HEAD + "/* " + 97 * "x" + "\n"),
        planted("src/base/a.c", HEAD + "    typedef  union {int a;} b;\n", "typedef"),
        planted("src/base/a.c", HEAD + "/* typedef struct */\ntypedef int (*a_fn)(struct a *);\n"),

        planted("tests/unit/base/test_a.c", law("/* Law. */\n", "test_a_holds")),
        planted("tests/unit/base/test_a.c", law("/*\n * Law.\n */\n", "test_a_holds")),
        planted("tests/unit/base/test_a.c", law("int a;\n", "test_a_holds"), "test-law"),
        planted("tests/unit/base/test_a.c", law("/* Law. */\n\n", "test_a_holds"), "test-law"),
        planted("tests/unit/base/test_a.c", law("/* Law. */\n", "test_b_holds"), "test-name"),

        planted("src/base/a.c", HEAD + f"/* {note}: more */\n", "note"),
        planted("Makefile", f"# {note.lower()} is a word, {note} is a note\n", "note"),
        planted("Makefile", "# method, toDo and XXXL are words\n"),
        planted("tests/run.py", f"PATH = '{path}'\n", "machine-path"),
        planted("src/base/a.c", HEAD + f'char *a = "{path}";\n', "machine-path"),
        planted("src/base/a.c", HEAD + 'char *a = "/ho' 'me/me";\n', "machine-path"),
        planted("Makefile", "# the framework/main file, or https://example.org/work/a\n"),
        planted("Makefile", "all: \n", "blank"),
        planted("Makefile", "all:", "blank"),
        planted("src/base/a.c", HEAD + "\tint a;\n", "tab"),
    ]


# ---- formatting ----

def check_format() -> tuple[int, int]:
    program = shutil.which("clang-format") or shutil.which("clang-format-14")
    if program is None:
        print("clang-format is not installed (package clang-format)")
        return 0, 1
    n_passed = n_failed = 0
    for path, _ in files(*C_FILES):
        done = subprocess.run([program, "--dry-run", "-Werror", path], cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0:
            n_passed += 1
            continue
        n_failed += 1
        print(done.stderr.splitlines()[0] if done.stderr else f"{path}: clang-format failed")
    return n_passed, n_failed


def main() -> int:
    counts = [self_test(check, planted_cases())]
    if "--self-test" not in sys.argv[1:]:
        counts.append(check_files(check, files(*C_FILES, *OTHER_FILES)))
    if "--format" in sys.argv[1:]:
        counts.append(check_format())
    return report(*counts)


if __name__ == "__main__":
    sys.exit(main())
