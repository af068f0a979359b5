# SPDX-License-Identifier: Apache-2.0
"""What the environment says: ENABLE_METRICS, STATSD_HOST, STATSD_PORT.

A value that cannot be read is a word in the log and the default, never an error: an application
does not stay down because of its metrics.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Mapping, Optional

logger = logging.getLogger("bacowr_metrics")

_WORDS = {"true": True, "1": True, "yes": True, "on": True,
          "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Settings:
    """Where the lines go, and whether there are any."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8125

    @classmethod
    def from_environment(cls, environment: Optional[Mapping[str, str]] = None) -> Settings:
        """Read the variables; one that is unset or empty has its default."""
        env = os.environ if environment is None else environment
        return cls(_read_bool(env.get("ENABLE_METRICS", "").strip()),
                   env.get("STATSD_HOST", "").strip() or cls.host,
                   _read_port(env.get("STATSD_PORT", "").strip()))


def _read_bool(text: str) -> bool:
    known = _WORDS.get(text.lower())
    if known is None and text:
        logger.warning("ENABLE_METRICS=%s is neither true nor false: metrics stay on", text)
    return True if known is None else known


def _read_port(text: str) -> int:
    if not text:
        return Settings.port
    # isdigit() alone would let in digits that int() refuses, and int() alone signs and blanks.
    if text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536:
        return int(text)
    logger.warning("STATSD_PORT=%s is no port: %d is used", text, Settings.port)
    return Settings.port
