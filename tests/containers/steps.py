# SPDX-License-Identifier: Apache-2.0
"""Tells each step as it is begun: the tests of the stack take minutes, and what they print is shown
at the end. tests/run.py gives a descriptor for that; without one nobody is told.
"""

from __future__ import annotations

import os
import time

BEGIN = time.monotonic()


def say(step: str) -> None:
    descriptor = os.environ.get("BACOWR_TEST_STEPS")
    if descriptor:
        line = f"  {time.monotonic() - BEGIN:4.0f} s  {step}\n"
        os.write(int(descriptor), line.encode())
