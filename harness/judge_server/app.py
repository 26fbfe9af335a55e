"""The application: which address goes where, and which failure becomes which status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from eval import JudgeFailedError
from harness.errors import UsageError
from harness.executors import NoSlotError
from harness.judge_server.desk import UnknownProblemError
from harness.judge_server.guards import NotJsonError, Token, TooLargeError
from harness.judge_server.kernelgym import KernelGym
from harness.judge_server.office import FullError, Office
from harness.judge_server.routes import CLIENT_LEFT, Routes, said

MOST_BYTES = 4 << 20


def make_app(
    office: Office, hosts: list[str], token: str | None = None, most_bytes: int = MOST_BYTES
) -> Starlette:
    """Return the application; `hosts` are the names under which it may be asked, `token` what it takes.

    A page elsewhere that lets its own name point to this machine is turned away by the host's name.
    """
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    if token is not None:
        guards.append(Middleware(Token, token=token))
    routes = Routes(office, most_bytes)
    return Starlette(
        routes=[
            Route("/v1/evaluate", routes.evaluate, methods=["POST"]),
            Route("/v1/jobs", routes.post_job, methods=["POST"]),
            Route("/v1/jobs/{id}", routes.get_job, methods=["GET"]),
            Route("/v1/jobs/{id}", routes.delete_job, methods=["DELETE"]),
            Route("/v1/problems", routes.problems, methods=["GET"]),
            Route("/health", routes.health, methods=["GET"]),
            *KernelGym(office, most_bytes).routes(),
        ],
        middleware=guards,
        exception_handlers=_HANDLERS,
    )


def _explained(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        return said(status, str(error))

    return answer


async def _full(_: Request, error: Exception) -> Response:
    assert isinstance(error, FullError)
    return said(429, str(error), {"Retry-After": str(error.retry_after_s)})


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return said(422, "; ".join(fault.removeprefix(": ") for fault in faults))


async def _nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


_HANDLERS: dict[Any, Any] = {
    FullError: _full,
    ValidationError: _invalid,
    UnknownProblemError: _explained(404),
    UsageError: _explained(422),
    NotJsonError: _explained(415),
    TooLargeError: _explained(413),
    NoSlotError: _explained(503),
    JudgeFailedError: _explained(500),
    ClientDisconnect: _nobody,
}
