# SPDX-License-Identifier: Apache-2.0
"""Numbers and names as the reference spells them."""

from __future__ import annotations

import math
import re

_DIGITS = r"[0-9](?:_?[0-9])*"
_HEX_DIGITS = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX = re.compile(rf"[+-]?0[xX](?:_?{_HEX_DIGITS}(?:\.(?:{_HEX_DIGITS})?)?|\.{_HEX_DIGITS})"
                  rf"[pP][+-]?{_DIGITS}")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)


def parse_number(text: str) -> float | None:
    """As Go's ParseFloat; None when it refuses. What is too large is infinite: see is_too_large."""
    if text.lower() == "nan":
        return math.nan
    if _INFINITE.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    bare = text.replace("_", "")
    if _DECIMAL.fullmatch(text):
        return float(bare)
    if _HEX.fullmatch(text):
        try:
            return float.fromhex(bare)
        except OverflowError:
            return -math.inf if text[0] == "-" else math.inf
    return None


def is_too_large(text: str, number: float) -> bool:
    return math.isinf(number) and not _INFINITE.fullmatch(text)


def escape(name: str) -> str:
    """Of a metric's name, or a tag's key."""
    out = "_" if name[:1].isascii() and name[:1].isdigit() else ""
    previous = ""
    for letter in name:
        if letter.isascii() and (letter.isalnum() or letter == "_"):
            out += letter
        elif not (letter == "-" and previous == "-"):
            out += "_"
        previous = letter
    return out
