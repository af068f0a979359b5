# SPDX-License-Identifier: Apache-2.0
"""One sample to one line, in the tagged spelling of DogStatsD: name:value|type|#key:text,...

Names, types and keys are this package's own words. The two fields that come from the application
cannot break a line:

value   a finite number, never negative: a counter must not fall, and a signed gauge would be read
        as a change. Anything else is no line at all.
text    comma, bar and control characters (LF, CR and NUL among them) become `_`; all else stays
        as it is, colons and slashes too. What is no text is spelled as one, an Enum as its value;
        a lone surrogate becomes `?`. Blanks around it go, more than 200 bytes are cut, and what
        is then empty is `unknown`, because a tag without a value would be left out.
"""

from __future__ import annotations

import enum
import math
from typing import Optional

MAX_TEXT = 200  # bytes of a tag's value: a line with all its tags is well within a datagram
UNKNOWN = "unknown"

_BREAKERS = {code: "_" for code in [*range(0x20), 0x7F, ord(","), ord("|")]}


def number(value: object) -> Optional[str]:
    """The digits of a finite number that is not negative, else None."""
    try:
        as_float = float(value)  # type: ignore[arg-type] # what is no number is refused here
    except Exception:  # pylint: disable=broad-except # __float__ is the application's
        return None
    if not math.isfinite(as_float) or as_float < 0:
        return None
    # 15 digits are what a double holds for sure: 4.35 s are 4350 ms, not 4349.9999999999995.
    # The absolute value makes -0.0, which would be a change of a gauge too, 0.
    return f"{abs(as_float):.15g}"


def text(value: object) -> str:
    """A tag's value that no line breaks at."""
    try:
        if isinstance(value, enum.Enum):
            value = value.value
        # A subclass of str may spell itself otherwise, as an Enum does.
        spelled = str.__str__(value) if isinstance(value, str) else str(value)
        whole = spelled[:MAX_TEXT].strip().translate(_BREAKERS).encode("utf-8", "replace")
        return whole[:MAX_TEXT].decode("utf-8", "ignore").strip() or UNKNOWN
    except Exception:  # pylint: disable=broad-except # __str__ is the application's
        return UNKNOWN


def line(name: str, value: object, kind: str, tags: dict[str, object]) -> Optional[bytes]:
    """The bytes of a line, or None when the value is none that can be sent."""
    digits = number(value)
    if digits is None:
        return None
    suffix = "|#" + ",".join(f"{key}:{text(tags[key])}" for key in tags) if tags else ""
    return f"{name}:{digits}|{kind}{suffix}".encode()
