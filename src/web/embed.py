#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py HTML CSS JS OUT: the status page as C, for server/web_page.h.

Style and script are put into the page in the places that it marks, and hashed just as a browser
hashes what it finds there, for the Content-Security-Policy.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path


def source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def c_bytes(data: bytes) -> str:
    rows = [data[at:at + 20] for at in range(0, len(data), 20)]
    return ",\n".join("    " + ", ".join(str(byte) for byte in row) for row in rows)


def main() -> None:
    html, style, script = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:4])
    for mark in ("{{style}}", "{{script}}"):
        if html.count(mark) != 1:
            raise SystemExit(f"{sys.argv[1]}: {mark} stands there {html.count(mark)} times")
    for text, end in ((style, "</style"), (script, "</script")):
        if end in text or "{{" in text:
            raise SystemExit(f"{end} or {{{{ in what is put into the page")
    page = html.replace("{{style}}", style).replace("{{script}}", script).encode("ascii")
    Path(sys.argv[4]).write_text(
        '/* Written by src/web/embed.py. */\n'
        '#include "server/web_page.h"\n\n'
        f'const char web_page[] = {{\n{c_bytes(page)}}};\n'
        'const size_t web_page_len = sizeof web_page;\n'
        f'const char web_page_style_hash[] = "{source_hash(style)}";\n'
        f'const char web_page_script_hash[] = "{source_hash(script)}";\n', encoding="ascii")


if __name__ == "__main__":
    main()
