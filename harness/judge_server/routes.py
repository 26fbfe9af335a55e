"""The routes: ask and wait, or ask and come back."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from eval import EVALUATOR_VERSION
from eval.records import Record
from harness.errors import UsageError
from harness.judge_server.guards import read_body
from harness.judge_server.office import Office, Ticket
from harness.judge_server.records import Question

CLIENT_LEFT = 499
_LONGEST_WAIT_S = 60.0


class Routes:
    """What each address does."""

    def __init__(self, office: Office, most_bytes: int) -> None:
        self._office, self._most_bytes = office, most_bytes

    async def _take(self, request: Request, *, keep: bool) -> Ticket:
        question = Question.model_validate_json(await read_body(request, self._most_bytes))
        return await run_in_threadpool(self._office.take, question, keep=keep)

    async def evaluate(self, request: Request) -> Response:
        """Answer with the verdict; a client that leaves frees the place of a job that has not begun."""
        ticket = await self._take(request, keep=False)
        if not await _done_or_left(request, ticket):
            ticket.future.cancel()
            return Response(status_code=CLIENT_LEFT)
        return _record(ticket.prepared.answered(ticket.future.result()))

    async def post_job(self, request: Request) -> Response:
        """Answer with the id of a job that is judged whether the client stays or not."""
        ticket = await self._take(request, keep=True)
        return _record(ticket.view(), 202, {"Location": f"/v1/jobs/{ticket.id}"})

    async def get_job(self, request: Request) -> Response:
        """Say how far a job is, after up to `wait` seconds if it is not done before."""
        ticket = self._office.find(request.path_params["id"])
        if ticket is None:
            return said(404, "no such job, or it was done long ago")
        await _wait(ticket, _wanted_wait_s(request))
        return _record(ticket.view())

    async def delete_job(self, request: Request) -> Response:
        """Give up a job that has not begun."""
        ticket = self._office.find(request.path_params["id"])
        if ticket is None:
            return said(404, "no such job, or it was done long ago")
        ticket.future.cancel()
        return _record(ticket.view())

    async def health(self, _: Request) -> Response:
        """Say how busy the slots are; 503 where none is left."""
        status = self._office.status()
        return JSONResponse(
            {**status, "evaluator": EVALUATOR_VERSION}, 200 if status["status"] == "ok" else 503
        )

    async def problems(self, _: Request) -> Response:
        """List the problems that may be asked for."""
        return JSONResponse({"problems": list(self._office.problems)})


async def _done_or_left(request: Request, ticket: Ticket) -> bool:
    """Wait for the verdict, and tell whether it came before the client left."""
    answered = asyncio.wrap_future(ticket.future)
    left = asyncio.ensure_future(_left(request))
    either: set[asyncio.Future[Any]] = {answered, left}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return answered.done()
    finally:
        left.cancel()
        answered.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _wait(ticket: Ticket, seconds: float) -> None:
    if seconds > 0 and not ticket.future.done():
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        ticket.future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        try:
            await asyncio.wait_for(done.wait(), seconds)
        except TimeoutError:
            return


def _wanted_wait_s(request: Request) -> float:
    try:
        return min(_LONGEST_WAIT_S, float(request.query_params.get("wait", "0")))
    except ValueError:
        raise UsageError("wait: give seconds") from None


def _record(record: Record, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        record.model_dump_json(), status_code=status, headers=headers, media_type="application/json"
    )


def said(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that says what is wrong."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)
