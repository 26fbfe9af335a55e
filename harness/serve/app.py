"""The routes: pages, JSON and events. Every one only reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.errors import EnvironmentFailure, HarnessError, UsageError
from harness.report import live_policy
from harness.serve.filters import Filters, filters_of
from harness.serve.views import Views

EVENT_SECONDS = 1.0
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Headers:
    """Adds our policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**_HEADERS, "Content-Security-Policy": live_policy()})
            await send(message)

        await self._app(scope, receive, with_headers)


def make_app(store: Path, hosts: list[str]) -> Starlette:
    """Return the application for a store; `hosts` are the names under which a browser may ask for it.

    A page elsewhere that lets its own name point to this machine is turned away by the host's name.
    """
    views = Views(store)

    def page(request: Request) -> Response:
        return HTMLResponse(views.page(_filters(request)))

    def attempt_page(request: Request) -> Response:
        return HTMLResponse(views.attempt_page(request.path_params["id"]))

    def leaderboard(request: Request) -> Response:
        return _json(views.leaderboard(_filters(request), overall="overall" in request.query_params))

    async def events(request: Request) -> Response:
        return StreamingResponse(_events(request, views), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/attempts/{id}", attempt_page),
            Route("/api/leaderboard", leaderboard),
            Route("/api/attempts", lambda request: _json(views.attempts(_filters(request)))),
            Route("/api/attempts/{id}", lambda request: _json(views.attempt(request.path_params["id"]))),
            Route("/api/runs", lambda request: _json(views.runs())),  # noqa: ARG005 - every route's signature
            Route("/api/progress", lambda request: _json(views.progress().model_dump())),  # noqa: ARG005
            Route("/events", events),
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        exception_handlers={
            UsageError: _explained(404),
            EnvironmentFailure: _explained(503),
        },
    )


def _filters(request: Request) -> Filters:
    return filters_of(request.query_params, request.query_params.getlist("status"))


def _json(value: Any) -> Response:
    return JSONResponse(value)


def _explained(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the handlers' signature
        assert isinstance(error, HarnessError)
        return JSONResponse({"error": str(error)}, status_code=status)

    return answer


async def _events(request: Request, views: Views) -> AsyncIterator[str]:
    """Send how the runs are going, whenever that changes, until the browser leaves."""
    before: str | None = None
    while not await request.is_disconnected():
        now: str | None
        try:
            now = (await run_in_threadpool(views.progress)).model_dump_json()
        except HarnessError:
            # The file may be away or locked for a moment; the next second tells.
            now = before
        if now is not None and now != before:
            yield f"data: {now}\n\n"
        else:
            yield ": still here\n\n"
        before = now
        await asyncio.sleep(EVENT_SECONDS)
