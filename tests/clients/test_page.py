# SPDX-License-Identifier: Apache-2.0
"""The aggregator's page through the application."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import unittest
from typing import Any
from unittest import mock

from asgi import Recorder, call
from fastapi import FastAPI
from lib.exposition import Page
from lib.harness import HOST, ServerTest, free_port
from receiver import Receiver

from bacowr_metrics import MetricsMiddleware, MetricsPage, mount_metrics

OPENMETRICS = b"application/openmetrics-text;version=1.0.0"


async def get(app: Any, headers: list[tuple[bytes, bytes]] | None = None, method: str = "GET",
              query: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of /metrics."""
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await app(dict(scope, headers=headers or [], query_string=query), receive, send)

    start, *parts = await call(inner, "/metrics", method)
    fields = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], fields, b"".join(part.get("body", b"") for part in parts)


class PageTest(ServerTest):
    def upstream(self) -> str:
        self.server = self.start("--web.enable-openmetrics")
        self.server.send("hits:3|c")
        self.server.settle()
        return f"http://{HOST}:{self.server.ports.web}/metrics"

    def test_the_page_as_it_is(self) -> None:
        page = MetricsPage(self.upstream())
        status, headers, body = asyncio.run(get(page))
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain; version=0.0.4"))
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertEqual(Page(body.decode()).value("hits"), 3)

    def test_format_and_compression_are_the_scrapers_choice(self) -> None:
        page = MetricsPage(self.upstream())
        status, headers, body = asyncio.run(get(page, [
            (b"Accept", OPENMETRICS), (b"Accept-Encoding", b"gzip"), (b"Cookie", b"secret")]))
        self.assertEqual((status, headers["content-encoding"]), (200, "gzip"))
        self.assertTrue(headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(gzip.decompress(body).endswith(b"# EOF\n"))

    def test_head_and_other_methods(self) -> None:
        page = MetricsPage(self.upstream())
        status, headers, body = asyncio.run(get(page, method="HEAD"))
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["content-length"]), 100)
        status, headers, body = asyncio.run(get(page, method="POST"))
        self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))

    def test_away(self) -> None:
        with mock.patch.dict(os.environ, {"http_proxy": f"http://{HOST}:{free_port()}"}):
            for upstream, status in ((f"http://{HOST}:{free_port()}/metrics", 503),
                                     (self.upstream() + "/no", 502)):
                with self.subTest(upstream):
                    found, headers, body = asyncio.run(get(MetricsPage(upstream)))
                    self.assertEqual(found, status)
                    self.assertIn(b"the metrics server", body)
                    self.assertTrue(headers["content-type"].startswith("text/plain"))
            # The environment's proxies are not asked.
            found, _, _ = asyncio.run(get(MetricsPage(self.upstream())))
            self.assertEqual(found, 200)

    def test_an_upstream_that_is_none(self) -> None:
        for upstream in ("http://[/", "file:///etc/passwd", "127.0.0.1:9102", ""):
            with self.subTest(upstream), self.assertRaises(ValueError):
                MetricsPage(upstream)

    def test_nonsense(self) -> None:
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"
        for said in (b"\xff\xfe\r\n\r\n", cut, b""):
            with self.subTest(said), socket.create_server((HOST, 0)) as silent:
                async def run() -> int:
                    upstream = f"http://{HOST}:{silent.getsockname()[1]}/metrics"
                    answer = asyncio.ensure_future(get(MetricsPage(upstream)))
                    connection, _ = await asyncio.to_thread(silent.accept)
                    with connection:
                        connection.recv(1000)
                        connection.sendall(said)
                    return (await answer)[0]

                self.assertIn(asyncio.run(run()), (502, 503))

    def test_a_slow_aggregator_does_not_stop_the_loop(self) -> None:
        """It accepts and says nothing: the loop goes on meanwhile, and the answer is 503."""
        with socket.create_server((HOST, 0)) as silent:
            page = MetricsPage(f"http://{HOST}:{silent.getsockname()[1]}/metrics", timeout=0.5)

            async def run() -> tuple[int, int]:
                answer = asyncio.ensure_future(get(page))
                n_turns = 0
                while not answer.done():
                    await asyncio.sleep(0.01)
                    n_turns += 1
                return (await answer)[0], n_turns

            status, n_turns = asyncio.run(run())
        self.assertEqual(status, 503)
        self.assertGreater(n_turns, 5)

    def test_mounted(self) -> None:
        """A route of FastAPI, outside its schema, and not a request of the API's own."""
        recorder = Recorder()
        app = FastAPI()
        app.add_middleware(MetricsMiddleware, client=recorder)
        with mock.patch.dict(os.environ, {"STATSD_PORT": str(Receiver(self).port)}):
            mount_metrics(app, self.upstream())
        status, _, body = asyncio.run(get(app))
        self.assertEqual((status, Page(body.decode()).value("hits")), (200, 3))
        self.assertEqual((recorder.requests, recorder.in_progress), ([], [0, 1, 0]))
        self.assertNotIn("/metrics", app.openapi()["paths"])


if __name__ == "__main__":
    unittest.main()
