"""``kernel-harness check``: extraction and the static rules; nothing is run, and torch is not needed."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from eval import EVALUATOR_VERSION
from eval.records import Failed, Passed, RulesMode, Tracks, Verdict
from eval.rules import check_code, static_verdict
from eval.stage.check import check_stage
from harness.cli.several import Meant
from harness.data_files import DataFiles
from harness.extract import extract
from harness.files import read_text
from harness.inputs import read_replies
from harness.lines import attempt_line, reply_line
from harness.metrics import load_metrics
from harness.problems import ProblemFolder
from harness.prompts import Demand, Given, GpuSpec, Stage, demand
from harness.records import Attempt, Reply

_NOT_PASSED = 1
_AT_ONCE = 32
"""Replies handed to a process together."""


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Replies, code, JSONL or folders of them.", show_default=False)
    ],
    problem: Annotated[str | None, typer.Option(help="Name, folder or .py file of the problem.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage whose rules count.")] = None,
    rules: Annotated[RulesMode, typer.Option(help="strict, lenient, or off for calibration.")] = "strict",
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    gpu: Annotated[str | None, typer.Option(help="GPU of the prompt.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that check at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a candidate.")] = False,
) -> int:
    """Take the code out of replies and check it against the static rules; run nothing."""
    known = _Known(problem, stage, gpu)
    given = Given(
        code=read_text(code) if code else None,
        metrics=load_metrics(metrics) if metrics else None,
    )
    exit_code = 0
    replies = Meant(problem).named(read_replies(paths))
    for checked in _in_order(_Checker(rules, known, given, as_json), replies, jobs):
        sys.stdout.buffer.write(checked.text)
        sys.stdout.flush()
        if not checked.passed:
            exit_code = _NOT_PASSED
    return exit_code


class _Known:
    """Problems, stages and GPUs by the name that an option or else a reply gives."""

    def __init__(self, problem: str | None, stage: str | None, gpu: str | None) -> None:
        self._stage, self._gpu = stage, gpu
        self._files = DataFiles()
        if problem is not None:
            self._files.problem(problem)
        self.stage(None)
        self.gpu(None)

    def problem(self, reply: Reply) -> ProblemFolder:
        assert reply.problem is not None
        return self._files.problem(reply.problem)

    def stage(self, name: str | None) -> Stage | None:
        wanted = self._stage or name
        return self._files.stage(wanted) if wanted is not None else None

    def gpu(self, name: str | None) -> GpuSpec | None:
        wanted = self._gpu or name
        return self._files.gpu(wanted) if wanted is not None else None

    def given(self, reply: Reply, given: Given) -> Given:
        """Return what the command hands in, and else what the reply's own line names."""
        code, metrics, gpu = given.code, given.metrics, self.gpu(reply.gpu)
        if code is None and reply.code_file is not None:
            code = read_text(Path(reply.code_file))
        if metrics is None and reply.metrics_file is not None:
            metrics = self._files.metrics(Path(reply.metrics_file))
        return Given(code=code, metrics=metrics, gpu=gpu.name if gpu is not None else None)


class _Lines(NamedTuple):
    text: bytes
    passed: bool


class _Checker(NamedTuple):
    rules: RulesMode
    known: _Known
    given: Given
    as_json: bool

    def lines(self, reply: Reply) -> _Lines:
        """Return what is printed of one reply."""
        attempt = _checked(reply, self.rules, self.known, self.given)
        lines = [json.dumps(attempt_line(attempt))] if self.as_json else list(_sentences(attempt))
        passed = attempt.verdict is not None and attempt.verdict.status == "passed"
        return _Lines(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"), passed)


def _in_order(checker: _Checker, replies: Iterable[Reply], jobs: int) -> Iterator[_Lines]:
    """Check replies in so many processes; their lines come in the order of the replies."""
    if jobs == 1:
        yield from map(checker.lines, replies)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(checker,)) as pool:
        yield from pool.map(_lines_of, replies, chunksize=_AT_ONCE)


_checkers: list[_Checker] = []
"""One in each process of a pool."""


def _begin(checker: _Checker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends these
    _checkers.append(checker)


def _lines_of(reply: Reply) -> _Lines:
    return _checkers[0].lines(reply)


def _checked(reply: Reply, rules: RulesMode, known: _Known, given: Given) -> Attempt:
    problem, stage = known.problem(reply), known.stage(reply.stage)
    gpu = known.gpu(reply.gpu)
    found = extract(reply.text, is_code=reply.is_code)
    held_to = demand(problem, stage, known.given(reply, given))
    verdict: Verdict = (
        found.model_copy(update={"tracks": Tracks(open=False, stage=False)})
        if isinstance(found, Failed)
        else _verdict(found.code, rules, held_to)
    )
    return Attempt(
        id="",
        run="check",
        reply=reply,
        candidate=None if isinstance(found, Failed) else found,
        problem=problem.name,
        stage=stage.name if stage is not None else None,
        gpu=gpu.name if gpu is not None else None,
        verdict=verdict,
        problem_hash=problem.problem.hash,
        stage_hash=stage.hash if stage is not None else None,
        gpu_hash=gpu.hash if gpu is not None else None,
        evaluator=EVALUATOR_VERSION,
        created=datetime.now(UTC).isoformat(),
        rules=rules,
    )


def _verdict(code: str, rules: RulesMode, held_to: Demand) -> Verdict:
    report = check_code(code, mode=rules)
    refused = static_verdict(report)
    if refused is not None:
        return refused
    if held_to.rules is None or rules == "off":
        return Passed(violations=report.violations, tracks=Tracks(open=True))
    stage = check_stage(code, held_to.code, held_to.rules)
    return Passed(
        violations=(*report.violations, *stage.violations), tracks=Tracks(open=True, stage=stage.legal)
    )


def _sentences(attempt: Attempt) -> Iterator[str]:
    verdict = attempt.verdict
    name = attempt.reply.source or f"{attempt.reply.model} #{attempt.reply.sample}"
    if verdict is None:
        return
    kind = getattr(verdict, "reason", None) or getattr(verdict, "phase", None)
    shown = f": {verdict.detail}" if isinstance(verdict, Failed) else ""
    yield f"{name}: {verdict.status}" + (f" ({kind})" if kind else "") + shown
    for found in verdict.violations if not isinstance(verdict, Failed) else ():
        line = reply_line(found, attempt)
        place = f"line {found.line}" + (f" (line {line} of the reply)" if line is not None else "")
        yield f"  {found.severity}: {found.rule}, {place}: {found.message}"
