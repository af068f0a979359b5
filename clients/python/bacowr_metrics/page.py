# SPDX-License-Identifier: Apache-2.0
"""The aggregator's page, handed through by the application: curl http://localhost:8000/metrics

Each worker can answer, because the numbers are not its own. The request goes out from a thread of
the event loop's executor, so the loop never waits for it.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from bacowr_metrics.asgi import UNMEASURED, Receive, Scope, Send
from bacowr_metrics.client import default_client

UPSTREAM = "http://127.0.0.1:9102/metrics"
TIMEOUT_SECONDS = 5.0

# Format and compression are between the scraper and the aggregator.
PASSED_UP = (b"accept", b"accept-encoding", b"x-prometheus-scrape-timeout-seconds")
PASSED_DOWN = ("content-type", "content-encoding", "vary", "retry-after")

Answer = tuple[int, dict[str, str], bytes]


class MetricsPage:
    """An ASGI application that answers GET and HEAD with what @upstream answers to GET.

    502 when that answers what is no page, 503 when it is away or slow, with a word of text. An
    upstream that is no http URL is a ValueError at once.
    """

    def __init__(self, upstream: str = UPSTREAM, timeout: float = TIMEOUT_SECONDS) -> None:
        if urllib.parse.urlsplit(upstream).scheme not in ("http", "https"):
            raise ValueError(f"no URL of a metrics server: {upstream}")
        self._upstream = upstream
        self._timeout = timeout
        # Without the proxies of the environment: the aggregator is a neighbour.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the metrics page is for HTTP, not for {scope['type']}")
        scope[UNMEASURED] = True
        if scope["method"] in ("GET", "HEAD"):
            status, headers, body = await self._ask(scope)
        else:
            status, headers, body = _word(405, "GET or HEAD, please")
            headers["allow"] = "GET, HEAD"
        headers["content-length"] = str(len(body))
        await send({"type": "http.response.start", "status": status,
                    "headers": [(name.encode("latin-1"), value.encode("latin-1"))
                                for name, value in headers.items()]})
        await send({"type": "http.response.body",
                    "body": b"" if scope["method"] == "HEAD" else body})

    async def _ask(self, scope: Scope) -> Answer:
        query = scope.get("query_string", b"").decode("latin-1")
        request = urllib.request.Request(self._upstream + ("?" + query if query else ""))
        for name, value in scope["headers"]:
            if name.lower() in PASSED_UP:
                request.add_header(name.decode("latin-1"), value.decode("latin-1"))
        loop = asyncio.get_running_loop()
        try:
            # The socket's timeout is for each read; this one is for all of them.
            return await asyncio.wait_for(loop.run_in_executor(None, self._fetch, request),
                                          2 * self._timeout)
        except asyncio.TimeoutError:
            return _word(503, "the metrics server is too slow")

    def _fetch(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                headers = {name: answer.headers[name] for name in PASSED_DOWN
                           if name in answer.headers}
                return int(answer.status), headers, answer.read()
        except urllib.error.HTTPError as error:
            return _word(502, f"the metrics server answers {error.code}")
        except (http.client.HTTPException, ValueError):
            return _word(502, "the metrics server's answer makes no sense")
        except OSError as error:
            return _word(503, f"the metrics server is away: {getattr(error, 'reason', error)}")


def _word(status: int, text: str) -> Answer:
    return status, {"content-type": "text/plain; charset=utf-8"}, f"{text}\n".encode()


def mount_metrics(app: Any, upstream: str = UPSTREAM, path: str = "/metrics") -> None:
    """Add the page to a FastAPI or Starlette application; nothing when ENABLE_METRICS is off."""
    if default_client().enabled:
        app.add_route(path, MetricsPage(upstream), name="metrics",
                      include_in_schema=False)
