"""The trusted side of compiling ahead: which launches to ask a dry runner for, and what comes of them.

What a dry runner leaves behind is bytes that nobody looks at but the runner of the same candidate.
"""

from __future__ import annotations

from contextlib import closing
from math import prod
from typing import TYPE_CHECKING, Any

from eval.base import Record
from eval.judge.faults import FaultRaised
from eval.judge.proposals import references
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import HostRegion, strides
from eval.judge.runner import Runner
from eval.judge.shapes import official_sizes
from eval.plain import encode
from eval.runner.cache_pack import MOST_BYTES
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.processes import Zygote
    from eval.records import Job, Limits

_MOST_SECONDS = 60.0
_FEW_ELEMENTS = 1 << 22
"""Of a case that may be tried with contents, where a candidate looks at them."""
_KEPT = 8


class Target(Record):
    """The GPU to compile for, as torch and Triton describe it."""

    capability: int
    """Without its point: 90 is 9.0."""
    properties: dict[str, int | str]
    """What `torch.cuda.get_device_properties` says, by name."""


class AheadCompiler:
    """Compiles what candidates launch, each in a dry runner of its own."""

    def __init__(self, zygote: Zygote, target: Target, workers: int) -> None:
        """`workers` processes compile at once where one job is compiled, of several each gets its part."""
        assert zygote.dry
        self._zygote, self._target, self._workers = zygote, target, workers
        self._at_work = 0
        """Jobs for which the compiler alone is at work."""
        self._cases: dict[tuple[str, str | None], list[dict[str, Any]]] = {}

    def compile(
        self, job: Job, at_work: Callable[[int | None], None], all_noted: Callable[[], None]
    ) -> bytes:
        """Return a Triton cache as `cache_pack` makes it, empty where nothing could be compiled.

        `at_work` is told the process id of the runner before any of the candidate's code runs, and None
        before that number may mean another process. `all_noted` is called when the candidate has been run on
        every case, and the compiler alone is at work.

        Raises:
            JudgeError: the problem or the machine does not allow it.

        """
        messages = self._messages(job)
        with closing(HostRegion(MOST_BYTES, 0)) as region:
            runner = Runner(self._zygote, region, _bounded(job.limits), cuda=False)
            try:
                at_work(runner.pid)
                self._note(runner, job, messages)
                all_noted()
                size = self._built(runner)
                if type(size) is not int or not 0 <= size <= MOST_BYTES:
                    return b""
                return bytes(region.base[:size].numpy().tobytes())
            except FaultRaised:
                return b""
            finally:
                at_work(None)
                runner.kill()

    def _built(self, runner: Runner) -> Any:
        self._at_work += 1
        try:
            workers = max(1, self._workers // self._at_work)
            return runner.ask_plain({"op": "compile", "workers": workers}).get("size")
        finally:
            self._at_work -= 1

    def _note(self, runner: Runner, job: Job, messages: list[dict[str, Any]]) -> None:
        target = {**self._target.model_dump(), "plain": False, "ahead": True}
        runner.ask_plain({"op": "target", **target})
        runner.load(job.code, "ModelNew")
        for message in messages:
            answer = runner.ask_plain({**message, "place": "meta"})
            if message["elements"] <= _FEW_ELEMENTS and _needs_data(answer):
                runner.ask_plain({**message, "place": "cpu"})

    def _messages(self, job: Job) -> list[dict[str, Any]]:
        key = (job.problem.hash, job.size)
        if key not in self._cases:
            if len(self._cases) >= _KEPT:
                self._cases.clear()
            self._cases[key] = _launches(job)
        return self._cases[key]


def _launches(job: Job) -> list[dict[str, Any]]:
    """Every case that the trial will call: of variants one configuration, of the others all."""
    sizes = [job.size] if job.size is not None else official_sizes(job.problem)
    official = [CaseReference(job.problem, size_case(job.problem, size)) for size in sizes]
    deciding = [*official, *references(job.problem, job.problem.cases)]
    variants = references(job.problem, job.problem.variants)
    return [
        *[_message(case, first_config=False) for case in deciding],
        *[_message(case, first_config=True) for case in variants],
    ]


def _message(case: CaseReference, *, first_config: bool) -> dict[str, Any]:
    inputs = [
        {"value": encode(spec.value)}
        if spec.shape is None or spec.dtype is None
        else {
            "shape": list(spec.shape), "stride": list(strides(spec.shape, case.case.layout)),
            "dtype": dtype_name(spec.dtype),
        }
        for spec in case.inputs
    ]  # fmt: skip
    return {
        "op": "launch", "init": encode(case.init), "dtype": case.case.dtype, "inputs": inputs,
        "first_config": first_config, "elements": sum(prod(spec.shape or ()) for spec in case.inputs),
    }  # fmt: skip


def _needs_data(answer: dict[str, Any]) -> bool:
    failures = answer.get("failures")
    return isinstance(failures, list) and any(
        isinstance(failure, dict) and failure.get("kind") == "needs_data" for failure in failures
    )


def _bounded(limits: Limits) -> Limits:
    return limits.model_copy(
        update={
            "seconds": min(limits.seconds, 2 * _MOST_SECONDS),
            "call_seconds": min(max(limits.call_seconds, _MOST_SECONDS / 2), _MOST_SECONDS),
        }
    )
