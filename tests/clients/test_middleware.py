# SPDX-License-Identifier: Apache-2.0
"""What the middleware says of requests, by bare ASGI and through real routers."""

from __future__ import annotations

import asyncio
import unittest
from typing import Any, Awaitable, Callable

from asgi import REQUEST, Recorder, call
from fastapi import APIRouter, BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, Router

from bacowr_metrics import MetricsMiddleware

START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST = {"type": "http.response.body", "body": b"b"}
GONE = {"type": "http.disconnect"}


class MiddlewareTest(unittest.TestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()

    def wrap(self, app: Any) -> MetricsMiddleware:
        return MetricsMiddleware(app, self.recorder)  # type: ignore[arg-type]

    def run_app(self, app: Callable[..., Awaitable[None]], *args: Any, **kwargs: Any) -> list[Any]:
        return asyncio.run(call(self.wrap(app), *args, **kwargs))

    def expect(self, *requests: tuple[str, str, str]) -> None:
        self.assertEqual(self.recorder.requests, list(requests))
        self.assertEqual(self.recorder.in_progress[-1], 0)
        self.recorder.requests.clear()

    # ---- bare ASGI ----

    def test_a_request(self) -> None:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            self.assertEqual(self.recorder.in_progress, [0, 1])
            await send(dict(START, status=201))
            await asyncio.sleep(0.05)
            await send(PART)
            self.assertEqual(self.recorder.requests, [])
            await send(LAST)
            self.expect(("unmatched", "POST", "201"))
            await asyncio.sleep(0.3)  # what comes after the answer is not its duration

        self.assertEqual(len(self.run_app(app, method="POST")), 3)
        self.assertEqual(self.recorder.in_progress, [0, 1, 0])
        self.assertEqual(self.recorder.workers, 1)
        self.assertTrue(0.05 <= self.recorder.seconds[0] < 0.3, self.recorder.seconds)

    def test_exceptions_are_500_and_pass_through(self) -> None:
        for first in ([], [START], [START, PART]):
            async def app(_scope: Any, _receive: Any, send: Any) -> None:
                for message in first:
                    await send(message)
                raise KeyError("mine")

            with self.assertRaisesRegex(KeyError, "mine"):
                self.run_app(app)
            self.expect(("unmatched", "GET", "500"))

    def test_an_exception_after_the_answer_changes_nothing(self) -> None:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send(LAST)
            raise KeyError("mine")

        with self.assertRaises(KeyError):
            self.run_app(app)
        self.expect(("unmatched", "GET", "200"))

    def test_no_answer_is_500(self) -> None:
        async def app(*_: Any) -> None:
            pass

        self.run_app(app)
        self.expect(("unmatched", "GET", "500"))

    def test_a_client_that_goes(self) -> None:
        """Before the answer 499, whatever the application does then; after its begin, as begun."""
        for error, first, status in ((None, [], "499"), (OSError, [], "499"),
                                     (None, [START], "200"), (OSError, [START], "200")):
            async def app(_scope: Any, receive: Any, send: Any) -> None:
                for message in first:
                    await send(message)
                while (await receive())["type"] != "http.disconnect":
                    pass
                if error:
                    raise error("the client is gone")

            with self.subTest(status, error=error):
                try:
                    self.run_app(app, incoming=[REQUEST, GONE])
                except OSError:
                    self.assertIsNotNone(error)
                self.expect(("unmatched", "GET", status))

    def test_a_send_that_fails_is_a_client_that_goes(self) -> None:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)

        async def send(_message: Any) -> None:
            raise OSError("gone")

        async def run() -> None:
            await self.wrap(app)({"type": "http", "method": "GET"}, send, send)

        with self.assertRaises(OSError):
            asyncio.run(run())
        self.expect(("unmatched", "GET", "200"))

    def test_a_cancelled_request(self) -> None:
        async def app(*_: Any) -> None:
            await asyncio.sleep(60)

        async def run() -> None:
            task = asyncio.ensure_future(call(self.wrap(app)))
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(run())
        self.expect(("unmatched", "GET", "499"))

    def test_methods_of_the_clients_invention(self) -> None:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send(LAST)

        for method, label in (("PATCH", "PATCH"), ("get", "other"), ("X" * 99, "other")):
            self.run_app(app, method=method)
            self.expect(("unmatched", label, "200"))

    def test_lifespan_and_websockets_pass(self) -> None:
        """The worker begins with its lifespan, and reports all before its end is told."""
        seen: list[Any] = []

        async def app(scope: Any, _receive: Any, send: Any) -> None:
            seen.append(scope["type"])
            if scope["type"] == "lifespan":
                await send({"type": "lifespan.startup.complete"})
                self.assertEqual(self.recorder.flushes, 0)
                await send({"type": "lifespan.shutdown.complete"})

        async def send(_message: Any) -> None:
            seen.append(self.recorder.flushes)

        async def run() -> None:
            for kind in ("lifespan", "websocket"):
                await self.wrap(app)({"type": kind}, send, send)

        asyncio.run(run())
        self.assertEqual(seen, ["lifespan", 0, 1, "websocket"])
        self.assertEqual((self.recorder.workers, self.recorder.in_progress), (2, [0]))

    # ---- endpoints ----

    def ask(self, app: Any, paths: dict[str, tuple[str, str]], root_path: str = "") -> None:
        """Each path and the endpoint and status that are to be said of it."""
        for path, (endpoint, status) in paths.items():
            with self.subTest(path):
                asyncio.run(call(app, path, root_path=root_path))
                self.expect((endpoint, "GET", status))

    def fastapi(self, **settings: Any) -> FastAPI:
        app, sub, router = FastAPI(**settings), FastAPI(), APIRouter(prefix="/v1")

        @app.get("/jobs/{job}")
        @sub.get("/jobs/{job}")
        @router.get("/jobs/{job}")
        async def job(job: int) -> int:
            return job

        app.include_router(router)
        app.mount("/sub", sub)
        app.mount("/plain", Router([Route("/jobs/{job}", lambda request: PlainTextResponse(""))]))
        return app

    def test_fastapi(self) -> None:
        app = self.fastapi()
        app.add_middleware(MetricsMiddleware, client=self.recorder)
        self.ask(app, {"/jobs/7": ("/jobs/{job}", "200"), "/jobs/x": ("/jobs/{job}", "422"),
                       "/v1/jobs/8": ("/v1/jobs/{job}", "200"), "/nowhere": ("unmatched", "404"),
                       "/sub/jobs/9": ("unmatched", "200"), "/sub/x": ("unmatched", "404"),
                       "/plain/jobs/9": ("unmatched", "200"), "/openapi.json":
                       ("/openapi.json", "200"), "/jobs/7/": ("unmatched", "307")})
        asyncio.run(call(app, "/jobs/7", "DELETE"))
        self.expect(("/jobs/{job}", "DELETE", "405"))

    def test_fastapi_behind_a_prefix_and_wrapped_from_outside(self) -> None:
        for settings, root_path in (({}, ""), ({"root_path": "/api"}, ""), ({}, "/api")):
            self.ask(self.wrap(self.fastapi(**settings)),
                     {"/jobs/7": ("/jobs/{job}", "200"), "/sub/jobs/9": ("unmatched", "200")},
                     root_path)

    def test_the_middleware_of_a_mounted_application(self) -> None:
        """It knows its own templates."""
        outer, inner = FastAPI(), self.fastapi()
        inner.add_middleware(MetricsMiddleware, client=self.recorder)
        outer.mount("/inner", inner)
        self.ask(outer, {"/inner/jobs/7": ("/jobs/{job}", "200"),
                         "/inner/sub/jobs/9": ("unmatched", "200")})

    def test_starlette(self) -> None:
        async def job(_request: Request) -> PlainTextResponse:
            return PlainTextResponse("")

        async def list_jobs(_request: Request) -> PlainTextResponse:
            return PlainTextResponse("")

        app = Starlette(routes=[Route("/jobs/{job}", job), Route("/other/{job}", job),
                                Route("/jobs", list_jobs), Mount("/sub", routes=[
                                    Route("/jobs/{job}", job)])])
        app.add_middleware(MetricsMiddleware, client=self.recorder)
        self.ask(app, {"/jobs/7": ("/jobs/{job}", "200"), "/other/7": ("/other/{job}", "200"),
                       "/jobs": ("/jobs", "200"), "/x": ("unmatched", "404"),
                       "/sub/jobs/7": ("unmatched", "200")})

    def test_background_tasks_and_errors_of_fastapi(self) -> None:
        app = FastAPI()
        app.add_middleware(MetricsMiddleware, client=self.recorder)

        @app.get("/later")
        async def later(tasks: BackgroundTasks) -> None:
            tasks.add_task(asyncio.sleep, 0.4)

        @app.get("/boom")
        async def boom() -> None:
            raise RuntimeError("as asked")

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def pieces() -> Any:
                yield b"a"
                await asyncio.sleep(60)

            return StreamingResponse(pieces())

        self.ask(app, {"/later": ("/later", "200")})
        self.assertLess(self.recorder.seconds[0], 0.4)
        with self.assertRaises(RuntimeError):
            asyncio.run(call(app, "/boom"))
        self.expect(("/boom", "GET", "500"))
        asyncio.run(call(app, "/stream", incoming=[GONE]))
        self.assertEqual([row[:2] for row in self.recorder.requests], [("/stream", "GET")])
        self.assertEqual(self.recorder.in_progress[-1], 0)


if __name__ == "__main__":
    unittest.main()
