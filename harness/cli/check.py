"""``kernel-harness check``: extraction and the static rules; nothing is run, and torch is not needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from eval import EVALUATOR_VERSION
from eval.records import Failed, Passed, RulesMode, Tracks, Verdict
from eval.rules import check_code, static_verdict
from harness.errors import UsageError
from harness.extract import extract
from harness.files import read_text
from harness.inputs import read_replies
from harness.lines import attempt_line, reply_line
from harness.metrics import load_metrics
from harness.problems import ProblemFolder, load_problem
from harness.prompts import load_gpu, load_stage
from harness.records import Attempt, Reply

_NOT_PASSED = 1


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Replies, code, JSONL or folders of them.", show_default=False)
    ],
    problem: Annotated[str | None, typer.Option(help="Name or folder of the problem.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage whose rules count.")] = None,
    rules: Annotated[RulesMode, typer.Option(help="strict, lenient, or off for calibration.")] = "strict",
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    gpu: Annotated[str | None, typer.Option(help="GPU of the prompt.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a candidate.")] = False,
) -> int:
    """Take the code out of replies and check it against the static rules; run nothing."""
    _require_files(code, metrics)
    known = _Known(problem, stage, gpu)
    exit_code = 0
    for reply in read_replies(paths):
        attempt = _checked(reply, rules, known)
        lines = [json.dumps(attempt_line(attempt))] if as_json else list(_sentences(attempt))
        sys.stdout.buffer.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
        if attempt.verdict is None or attempt.verdict.status != "passed":
            exit_code = _NOT_PASSED
    return exit_code


def _require_files(code: Path | None, metrics: Path | None) -> None:
    if code is not None:
        read_text(code)
    if metrics is not None:
        load_metrics(metrics)


class _Known:
    """Problems, stages and GPUs by the name that a reply or an option gives, each looked up once."""

    def __init__(self, problem: str | None, stage: str | None, gpu: str | None) -> None:
        self._problem, self._stage, self._gpu = problem, stage, gpu
        self._problems: dict[str, ProblemFolder] = {}
        self._names: dict[tuple[str, str], str] = {}
        if problem is not None:
            self.problem(problem, "")
        self.stage(None)
        self.gpu(None)

    def problem(self, name: str | None, source: str | None) -> ProblemFolder:
        wanted = name or self._problem
        if wanted is None:
            raise UsageError(f"{source}: names no problem; add --problem NAME")
        if wanted not in self._problems:
            self._problems[wanted] = load_problem(wanted)
        return self._problems[wanted]

    def stage(self, name: str | None) -> str | None:
        wanted = self._stage or name
        if wanted is not None and ("stage", wanted) not in self._names:
            self._names["stage", wanted] = load_stage(wanted).name
        return self._names["stage", wanted] if wanted is not None else None

    def gpu(self, name: str | None) -> str | None:
        wanted = self._gpu or name
        if wanted is not None and ("gpu", wanted) not in self._names:
            self._names["gpu", wanted] = load_gpu(wanted).name
        return self._names["gpu", wanted] if wanted is not None else None


def _checked(reply: Reply, rules: RulesMode, known: _Known) -> Attempt:
    problem = known.problem(reply.problem, reply.source)
    found = extract(reply.text, is_code=reply.is_code)
    verdict: Verdict = found if isinstance(found, Failed) else _verdict(found.code, rules)
    return Attempt(
        id="",
        run="check",
        reply=reply,
        candidate=None if isinstance(found, Failed) else found,
        problem=problem.name,
        stage=known.stage(reply.stage),
        gpu=known.gpu(reply.gpu),
        verdict=verdict.model_copy(update={"problem_hash": problem.problem.hash}),
        evaluator=EVALUATOR_VERSION,
        created=datetime.now(UTC).isoformat(),
        rules=rules,
    )


def _verdict(code: str, rules: RulesMode) -> Verdict:
    report = check_code(code, mode=rules)
    refused = static_verdict(report)
    return refused or Passed(violations=report.violations, tracks=Tracks(open=True))


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
