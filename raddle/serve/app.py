"""The page, its events and the metrics over HTTP (an ASGI application)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from raddle.controller.api.server import is_loopback
from raddle.errors import InputError
from raddle.report.exposition import CONTENT_TYPE
from raddle.serve.jobs import Jobs
from raddle.serve.metrics import metrics_text
from raddle.serve.page import live_page, snapshot
from raddle.serve.view import LiveView

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'"  # noqa: E501
_MOST_BODY_BYTES = 4096
_LOOK_S = 0.5
"""How often an open stream looks whether the server ends."""


def make_app(
    view: LiveView, jobs: Jobs, sample_s: float, token: str, is_over: Callable[[], bool]
) -> Starlette:
    """The application; with `token` all but `/healthz` asks for it. Streams end when `is_over`."""
    page = live_page(view, sample_s)
    shared = _Shared(view, sample_s)

    async def index(request: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    async def events(request: Request) -> Response:
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(shared.stream(is_over), media_type="text/event-stream", headers=headers)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(metrics_text, view), media_type=CONTENT_TYPE)

    async def start(request: Request) -> Response:
        if "x-raddle" not in request.headers:  # which no page of another origin can send unasked
            return PlainTextResponse("the header X-Raddle is missing\n", 403)
        try:
            asked = json.loads(await _body(request))
            number = await run_in_threadpool(
                jobs.start, asked["collective"], asked["size"], asked.get("largest")
            )
        except InputError as error:
            return PlainTextResponse(f"{error}\n", 400)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return PlainTextResponse('the body is {"collective": "all_reduce", "size": "16M"}\n', 400)
        return PlainTextResponse(f"{number}\n", 201)

    async def bench(request: Request) -> Response:
        path = jobs.page(request.path_params["number"])
        if not path.exists():
            return PlainTextResponse("there is no such page (yet)\n", 404)
        return FileResponse(path, media_type="text/html")

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/events", events),
            Route("/metrics", metrics),
            Route("/healthz", health),
            Route("/benches", start, methods=["POST"]),
            Route("/benches/{number:int}", bench),
        ],
        middleware=[Middleware(_Guard, token=token)],
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY_BYTES:
            raise ValueError("too long")
    return body


class _Shared:
    """One snapshot a sample for all who look; none while nobody does."""

    def __init__(self, view: LiveView, sample_s: float) -> None:
        self._view, self._sample_s = view, sample_s
        self._made_s, self._text = 0.0, ""

    async def stream(self, is_over: Callable[[], bool]) -> AsyncIterator[str]:
        while not is_over():
            now_s = time.time()
            if now_s - self._made_s >= self._sample_s / 2:
                self._made_s = now_s
                self._text = await run_in_threadpool(snapshot, self._view)
            yield f"data: {self._text}\n\n"
            end_s = time.monotonic() + self._sample_s
            while (left_s := end_s - time.monotonic()) > 0 and not is_over():
                await asyncio.sleep(min(left_s, _LOOK_S))


class _Guard:
    """Lets in who has the token; without one, who calls this machine by a name of its loopback (a page of
    elsewhere whose name has come to mean 127.0.0.1 does not)."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if refusal := self._refusal(request):
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if not self._token:
            host = request.headers.get("host", "")
            name = host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]
            if not is_loopback(name.strip("[]")):
                return PlainTextResponse("this page is for callers of 127.0.0.1 or localhost\n", 403)
            return None
        if request.url.path == "/healthz" or hmac.compare_digest(_given(request), self._token.encode()):
            return None
        asks = {"WWW-Authenticate": 'Basic realm="raddle serve: any name, the token as password"'}
        return PlainTextResponse("the token is missing or wrong\n", 401, headers=asks)


def _given(request: Request) -> bytes:
    """The token as `Bearer`, or as the password of `Basic`, which browsers ask for."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
