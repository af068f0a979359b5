# SPDX-License-Identifier: Apache-2.0
"""The types of ASGI 3, as its specification writes them."""

from __future__ import annotations

from typing import Any, Awaitable, Callable, MutableMapping

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMEASURED = "bacowr_metrics.unmeasured"
"""A key of a scope: this request is about the metrics and does not belong into them."""
