"""The same judge in KernelGYM's words, so that its clients change one URL: submit, poll, fetch.

What is judged is a problem that this server has: `reference_code` is compared with the references, never
run. Trials, profiling switches and the like are the judge's own affair and are passed over.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import OrderedDict
from typing import Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eval.records import Failed, Passed, Record, Rejected, Verdict
from harness.errors import UsageError
from harness.judge_server.guards import read_body
from harness.judge_server.office import Office, Ticket
from harness.judge_server.records import Question
from harness.judge_server.routes import said

KEPT = 1000
"""How many answered tasks can still be asked for."""
Status = Literal["pending", "processing", "completed", "failed"]
_NOT_COMPILED = frozenset({"extract", "parse", "import", "init", "compile"})


class Task(Record, extra="ignore"):
    """What its clients post, as far as it means anything here."""

    task_id: str = Field(default_factory=lambda: secrets.token_hex(12), max_length=200)
    """The same id again is the same task: a client that lost its answer doubles nothing."""
    reference_code: str
    kernel_code: str
    entry_point: str = "Model"
    timeout: float | None = Field(None, gt=0)
    reference_backend: str | None = None
    """``compile``: the speed-up is against `torch.compile` of the reference."""


class Result(Record):
    """What its clients read."""

    task_id: str
    status: Status
    compiled: bool = False
    correctness: bool = False
    decoy_kernel: bool = False
    """Refused for tampering, for a library's work in its kernels' place, or for an impossible time."""
    reference_runtime: float | None = None
    """Milliseconds."""
    kernel_runtime: float | None = None
    speedup: float = 0.0
    """0 where nothing was timed, as on a CPU."""
    metadata: dict[str, Any] = {}
    """Coverage, and the whole verdict under ``kernel_harness``."""
    error_message: str | None = None
    error_code: str | None = None


class KernelGym:
    """Its tasks by their ids; threads may share it."""

    def __init__(self, office: Office, most_bytes: int) -> None:
        self._office, self._most_bytes = office, most_bytes
        self._tasks: OrderedDict[str, tuple[Task, Ticket]] = OrderedDict()
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Return where its clients ask."""
        return [
            Route("/evaluate", self.evaluate, methods=["POST"]),
            Route("/status/{task_id}", self.status, methods=["GET"]),
            Route("/results/{task_id}", self.results, methods=["GET"]),
        ]

    async def evaluate(self, request: Request) -> Response:
        """Take a task and answer with its result; one who does not wait asks for its status."""
        task = Task.model_validate_json(await read_body(request, self._most_bytes))
        ticket = await run_in_threadpool(self._take, task)
        await asyncio.wait([asyncio.wrap_future(ticket.future)])
        return _json(_result(task, ticket))

    async def status(self, request: Request) -> Response:
        """Say how far a task is."""
        found = self._tasks.get(request.path_params["task_id"])
        if found is None:
            return _missing()
        told = _result(*found).model_dump(include={"task_id", "status", "error_message"})
        return JSONResponse(told)

    async def results(self, request: Request) -> Response:
        """Answer with the result of a task that is done."""
        found = self._tasks.get(request.path_params["task_id"])
        return _json(_result(*found)) if found is not None else _missing()

    def _take(self, task: Task) -> Ticket:
        """Return the ticket of a task, the one it has if it was posted before."""
        with self._lock:
            if task.task_id in self._tasks:
                return self._tasks[task.task_id][1]
            if task.entry_point != "Model":
                raise UsageError(
                    f"entry_point {task.entry_point!r}: a candidate defines ModelNew, so give Model"
                )
            problem = self._office.problem_of(task.reference_code)
            question = Question(problem=problem, code=task.kernel_code, timeout_s=task.timeout)
            ticket = self._office.take(question, keep=False)
            self._tasks[task.task_id] = (task, ticket)
            done = [name for name, (_, other) in self._tasks.items() if other.future.done()]
            for name in done[: max(0, len(done) - KEPT)]:
                del self._tasks[name]
            return ticket


def _result(task: Task, ticket: Ticket) -> Result:
    view = ticket.view()
    if view.answer is None:
        words: dict[str, Status] = {"waiting": "pending", "judging": "processing"}
        return Result(task_id=task.task_id, status=words.get(view.state, "failed"), error_message=view.error)
    verdict = view.answer.verdict
    if isinstance(verdict, Failed) and verdict.phase == "unsupported":
        return Result(task_id=task.task_id, status="failed", error_message=verdict.detail)
    return Result(
        task_id=task.task_id,
        status="completed",
        compiled=_compiled(verdict),
        correctness=isinstance(verdict, Passed),
        decoy_kernel=isinstance(verdict, Rejected) and verdict.reason != "output_rules",
        metadata={"kernel_harness": verdict.model_dump(mode="json", exclude={"timing": {"samples_ms"}})},
        error_message=None if isinstance(verdict, Passed) else verdict.detail,
    ).model_copy(update=_measured(task, verdict))


def _compiled(verdict: Verdict) -> bool:
    if isinstance(verdict, Rejected):
        return verdict.reason not in {"output_rules", "tampering"}
    return not (isinstance(verdict, Failed) and verdict.phase in _NOT_COMPILED)


def _measured(task: Task, verdict: Verdict) -> dict[str, Any]:
    """Return the fields that only a timed candidate has; coverage counts kernels of one forward."""
    timing = verdict.timing if isinstance(verdict, Passed) else None
    if timing is None:
        return {}
    compiled = task.reference_backend == "compile"
    reference = timing.compile_ms if compiled else timing.eager_ms
    ratio = timing.speedup.compile if compiled else timing.speedup.eager
    own = [kernel.ms for kernel in timing.kernels if kernel.own]
    coverage = {
        "num_custom_kernels": len(own),
        "num_total_kernels": len(timing.kernels),
        "custom_kernel_cuda_time_in_profiling_us": 1000 * sum(own),
        "total_kernel_run_time_in_profiling_us": 1000 * sum(kernel.ms for kernel in timing.kernels),
    }
    whole = verdict.model_dump(mode="json", exclude={"timing": {"samples_ms"}})
    return {
        "kernel_runtime": timing.candidate_ms.median,
        "reference_runtime": reference.median if reference is not None else None,
        "speedup": ratio.median if ratio is not None else 0.0,
        "metadata": {**coverage, "kernel_harness": whole},
    }


def _json(record: Record) -> Response:
    return Response(record.model_dump_json(), media_type="application/json")


def _missing() -> Response:
    return said(404, "no such task, or it was done long ago")
