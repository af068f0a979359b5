# SPDX-License-Identifier: Apache-2.0
"""A server and a client for tests of ASGI applications, without sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import receiver  # noqa: F401 # pylint: disable=unused-import # finds the package

REQUEST = {"type": "http.request", "body": b"", "more_body": False}


class Recorder:
    """Stands for a client."""

    enabled = True

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.seconds: list[float] = []
        self.in_progress = [0]
        self.workers = self.flushes = 0

    def begin_worker(self) -> None:
        self.workers += 1

    def change_in_progress(self, change: int) -> None:
        self.in_progress.append(self.in_progress[-1] + change)

    def request(self, endpoint: str, method: str, status: str, seconds: float) -> None:
        self.requests.append((endpoint, method, status))
        self.seconds.append(seconds)

    def flush(self) -> None:
        self.flushes += 1


async def call(app: Any, path: str = "/", method: str = "GET", incoming: list[Any] | None = None,
               root_path: str = "") -> list[Any]:
    """One request as a server makes it; what the application sent."""
    messages = list(incoming or [REQUEST])
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(),
             "root_path": root_path, "query_string": b"", "headers": [], "scheme": "http",
             "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "http_version": "1.1",
             "asgi": {"version": "3.0", "spec_version": "2.3"}}
    await app(scope, receive, send)
    return sent
