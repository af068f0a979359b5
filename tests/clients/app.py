# SPDX-License-Identifier: Apache-2.0
"""The demo application, with beats so frequent that a test need not wait for them."""

from __future__ import annotations

import os

import bacowr_metrics.sender

bacowr_metrics.sender.BEAT_SECONDS = float(os.environ["TEST_BEAT_SECONDS"])

# pylint: disable-next=wrong-import-position,unused-import
from api.app.main import app  # noqa: E402,F401
