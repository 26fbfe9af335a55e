"""What stands in front of the routes: the token, and the size of a body."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = ("/health",)
_PATIENCE = 16


class NotJsonError(Exception):
    """The body is not announced as JSON, as a form on a web page could send it."""


class TooLargeError(Exception):
    """The body is larger than the server takes."""


class Token:
    """Turns away who does not give the token, but for `OPEN_PATHS`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._known(scope):
            await self._app(scope, receive, send)
            return
        answer = JSONResponse(
            {"error": "give the server's token as `Authorization: Bearer TOKEN`"},
            status_code=401, headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
        await answer(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        matches = secrets.compare_digest(given.strip().encode("latin-1"), self._token)
        return kind.lower() == "bearer" and matches


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Return the body.

    Raises:
        NotJsonError: it is not announced as JSON.
        TooLargeError: it is larger than `most_bytes`. Most of the rest is read and thrown away,
            since a client that is cut off while it sends does not see the answer.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotJsonError("send JSON, with `Content-Type: application/json`")
    parts, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= most_bytes:
            parts += part
        elif size > _PATIENCE * most_bytes:
            break
    if size > most_bytes:
        raise TooLargeError(f"the body may hold {most_bytes} bytes")
    return bytes(parts)
