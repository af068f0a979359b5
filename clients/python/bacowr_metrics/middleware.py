# SPDX-License-Identifier: Apache-2.0
"""An ASGI middleware that measures HTTP requests: how many, how long, how many at once.

    app.add_middleware(MetricsMiddleware)

It knows ASGI only; of FastAPI and Starlette it reads what their routers leave in the scope.

endpoint  the route's template (/jobs/{job_id}), or `unmatched`: 404, what was not routed, and
          mounted applications, whose templates would be mistaken for ones of this application
method    GET, POST and their kin, else `other`
status    as answered. 500 for an exception before the answer was complete, or without an answer;
          499 when the client went away, or the request was cancelled, before an answer began

Laws: nothing that a client sends becomes a label's value, so there are as many series as there are
      routes. A request ends with the last byte of its answer: what Starlette's background tasks do
      afterwards is not its duration. Exceptions pass through.
"""

from __future__ import annotations

import time
from typing import Any, Optional

from bacowr_metrics.asgi import UNMEASURED, App, Message, Receive, Scope, Send
from bacowr_metrics.client import Client, default_client

UNMATCHED = "unmatched"
METHODS = frozenset(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
                     "TRACE"])
CLIENT_GONE = 499  # nginx's word for it
FAILED = 500


class MetricsMiddleware:
    """Measures the requests of @app; @client is the process's own when there is none."""

    def __init__(self, app: App, client: Optional[Client] = None) -> None:
        self.app = app
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = self._client or default_client()
        if not client.enabled:
            await self.app(scope, receive, send)
            return
        client.begin_worker()
        if scope["type"] == "http":
            await _Request(client, scope, receive, send).run(self.app)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, _flush_at_shutdown(client, send))
        else:
            await self.app(scope, receive, send)


def _flush_at_shutdown(client: Client, send: Send) -> Send:
    """A server may end by a signal after its shutdown: then no handler of the exit runs."""
    async def watched(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            client.flush()
        await send(message)

    return watched


class _Request:
    """One request, from its call to the last byte of its answer."""

    def __init__(self, client: Client, scope: Scope, receive: Receive, send: Send) -> None:
        self._client = client
        self._scope = scope
        self._inner_receive = receive
        self._inner_send = send
        self._root_path = scope.get("root_path", "")
        self._status: Optional[int] = None
        self._gone = False
        self._ended = False
        self._begin = time.perf_counter()

    async def run(self, app: App) -> None:
        self._client.change_in_progress(1)
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:
            self._end(self._unanswered() if self._gone else FAILED)
            raise
        except BaseException:  # cancelled
            self._gone = True
            self._end(self._unanswered())
            raise
        self._end(self._unanswered())

    def _unanswered(self) -> int:
        return self._status or (CLIENT_GONE if self._gone else FAILED)

    async def _receive(self) -> Message:
        message = await self._inner_receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
        try:
            await self._inner_send(message)
        except OSError:  # how ASGI 2.4 says that the client is gone
            self._gone = True
            raise
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last or message["type"] == "http.response.pathsend":
            self._end(self._status or FAILED)

    def _end(self, status: int) -> None:
        if self._ended:
            return
        self._ended = True
        seconds = time.perf_counter() - self._begin
        self._client.change_in_progress(-1)
        if not self._scope.get(UNMEASURED):
            method = self._scope.get("method", "")
            self._client.request(_endpoint(self._scope, self._root_path),
                                 method if method in METHODS else "other", str(status), seconds)


def _endpoint(scope: Scope, root_path: str) -> str:
    """The template of the route that took the request, whose scope had that @root_path before."""
    try:
        if "app_root_path" in scope and scope.get("root_path", "") != root_path:
            return UNMATCHED  # the way led through a mount
        route = scope.get("route")
        path = _starlette_path(scope) if route is None else getattr(route, "path", None)
    except Exception:  # pylint: disable=broad-except # the scope is anybody's
        path = None
    return path if isinstance(path, str) and path else UNMATCHED


def _starlette_path(scope: Scope) -> Any:
    """FastAPI leaves the route in the scope; Starlette only its endpoint and the router."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    routes = [route for route in scope["router"].routes
              if getattr(route, "endpoint", None) is endpoint]
    if len(routes) > 1:
        routes = [route for route in routes if route.path_regex.match(scope["path"])]
    return routes[0].path if routes else None
