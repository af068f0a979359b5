# SPDX-License-Identifier: Apache-2.0
"""A WSGI application for gunicorn: /404 answers 404, and so on; everything else 200."""

from __future__ import annotations

from typing import Any, Callable, Iterable

STATUS = {"/201": "201 Created", "/404": "404 Not Found", "/500": "500 Internal Server Error"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response(STATUS.get(environ["PATH_INFO"], "200 OK"), [("Content-Length", "2")])
    return [b"ok"]
