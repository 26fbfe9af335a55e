"""``kernel-harness eval``: judge candidates, one or a batch."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from eval.client import PROBLEM_REFUSED
from eval.records import BaselinesMode, DeviceChoice, Limits, RulesMode
from harness.cli.judging import JudgingSteps
from harness.cli.several import directed
from harness.errors import EnvironmentFailure, UsageError
from harness.executors import Recheck, open_executor
from harness.inputs import read_replies
from harness.lines import attempt_line
from harness.machine import sanitizer
from harness.pipeline import Judged, JudgeSettings, Pipeline
from harness.profile import SanitizedJudging, require_gpu
from harness.store import Store

_NOT_PASSED, _ENVIRONMENT = 1, 4
_LINE_CHARS = 200


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Replies, code, JSONL or folders of them.", show_default=False)
    ],
    problem: Annotated[str | None, typer.Option(help="Name, folder or .py file of the problem.")] = None,
    problems: Annotated[
        Path | None, typer.Option(help="Folder of problems, which replies name by file name or number.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Cast the problem: fp32, bf16, fp16, or several with commas.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Stage whose rules and gain count.")] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    size: Annotated[
        str | None, typer.Option(help="Size profile of the problem; the first if not given.")
    ] = None,
    rules: Annotated[RulesMode, typer.Option(help="strict, lenient, or off for calibration.")] = "strict",
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    gpu: Annotated[str | None, typer.Option(help="GPU of the prompt, for stage rules.")] = None,
    timing: Annotated[bool, typer.Option(help="On a GPU, time what is correct.")] = True,
    baselines: Annotated[
        BaselinesMode, typer.Option(help="live: timed beside every candidate; session: once, and watched.")
    ] = "live",
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate may take.")] = 300.0,
    call_timeout: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 60.0,
    memory_gb: Annotated[float, typer.Option(help="Host memory of one candidate, in 1e9 bytes.")] = 12.0,
    gpus: Annotated[
        str | None, typer.Option(help="Places of the GPUs that judge, for example 0,1; all if not given.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Candidates at once on a CPU or a cluster; a GPU takes one.")
    ] = None,
    executor: Annotated[
        str, typer.Option(help="local, or a Ray cluster: auto or ray://HOST:PORT.")
    ] = "local",
    require_sandbox: Annotated[
        bool, typer.Option(help="Refuse to run where isolation is incomplete.")
    ] = False,
    sanitize: Annotated[
        bool, typer.Option(help="Run compute-sanitizer over what passes, on a small case. Needs a GPU.")
    ] = False,
    fresh: Annotated[bool, typer.Option(help="Judge again what has a verdict.")] = False,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a candidate.")] = False,
) -> int:
    """Judge candidates; what has a verdict already is not judged again."""
    require_judge()
    if sanitize and rules == "off":
        raise UsageError(
            "--sanitize runs outside of most walls, which --rules off leaves as the only defence"
        )
    recheck = _sanitizing(device, timeout) if sanitize else None
    replies = directed(read_replies(paths), problem, problems, dtype)
    code_of_exit = 0
    with open_executor(executor, device, jobs=jobs, gpus=gpus, recheck=recheck) as judges:
        settings = JudgeSettings(
            problem=problem, stage=stage, device=judges.device, size=size, rules=rules,
            code=code, metrics=metrics, gpu=gpu, timing=timing, require_sandbox=require_sandbox, fresh=fresh,
            baselines=baselines, sanitize=sanitize,
            limits=Limits(seconds=timeout, call_seconds=call_timeout, host_memory_gb=memory_gb),
        )  # fmt: skip
        with (
            Store(store) as kept,
            kept.run(shlex.join(["kernel-harness", *sys.argv[1:]])) as run,
            JudgingSteps(len(replies), f"judging on {judges.device}", judges) as steps,
        ):
            for judged in Pipeline(settings, kept, run).judge_with(judges, replies):
                line = attempt_line(judged.attempt, cached=judged.cached)
                sys.stdout.write((json.dumps(line) if as_json else _sentence(judged)) + "\n")
                sys.stdout.flush()
                steps.judged(cached=judged.cached)
                code_of_exit = max(code_of_exit, _exit_code(judged, alone=len(replies) == 1))
    return code_of_exit


def require_judge() -> None:
    """Refuse to go on where what judging needs is not installed."""
    missing = [name for name in ("torch", "triton", "numpy") if find_spec(name) is None]
    if missing:
        raise EnvironmentFailure(f"judging needs {', '.join(missing)}: pip install 'kernel-harness[eval]'")


def _sanitizing(device: DeviceChoice, timeout_s: float) -> Recheck:
    judging = SanitizedJudging(sanitizer(), timeout_s)
    require_gpu(device)
    return judging


def _exit_code(judged: Judged, *, alone: bool) -> int:
    verdict = judged.attempt.verdict
    if verdict is None and (judged.attempt.error or "").startswith(PROBLEM_REFUSED):
        return UsageError.exit_code if alone else 0
    if verdict is None:
        return _ENVIRONMENT
    return 0 if verdict.status == "passed" else _NOT_PASSED


def _sentence(judged: Judged) -> str:
    attempt = judged.attempt
    name = attempt.reply.source or f"{attempt.reply.model} #{attempt.reply.sample}"
    verdict = attempt.verdict
    if verdict is None:
        return f"{name}: error (ours): {attempt.error}, attempt {attempt.id}"
    kind = getattr(verdict, "reason", None) or getattr(verdict, "phase", None)
    parts = [f"{name}: {verdict.status}" + (f" ({kind})" if kind else "")]
    if verdict.timing is not None:
        speedup = verdict.timing.speedup.eager
        parts.append(f"{verdict.timing.candidate_ms.median:.4g} ms")
        parts += [f"{speedup.median:.2f}x eager [{speedup.low:.2f}, {speedup.high:.2f}]"] if speedup else []
        parts += [verdict.timing.decision] if verdict.timing.decision else []
    elif verdict.status == "passed":
        parts.append("correct, not timed")
    if verdict.status == "passed" and verdict.robust is False:
        parts.append("not robust")
    if verdict.detail:
        parts.append(_first_line(verdict.detail))
    if judged.cached:
        parts.append("judged before")
    parts.append(f"attempt {attempt.id}")
    return ", ".join(parts)


def _first_line(detail: str) -> str:
    """Return the start of a text that a candidate had a hand in, without what steers a terminal."""
    line = detail.strip().splitlines()[0][:_LINE_CHARS] if detail.strip() else ""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
