"""``kernel-harness run``: prompts, replies, verdicts, leaderboard and report of one run file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from eval.client import JudgeFailedError, resolve_device
from eval.records import Limits
from harness.cli import report
from harness.cli.command_line import command_line
from harness.cli.eval import require_judge
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure
from harness.lines import attempt_line
from harness.llm.budget import Purse
from harness.llm.orders import Order
from harness.pipeline import JudgeSettings, Pipeline
from harness.run_file import RunPlan, read_run
from harness.store import Store, StoredReply

_PAUSE_S = 0.2
"""How long a verdict waits at most for a reply, before it is kept and told."""


def command(
    config: Annotated[Path, typer.Argument(help="The run's TOML file.", show_default=False)],
    dry_run_only: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and ask nobody.")
    ] = False,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    output: Annotated[Path, typer.Option(help="The report to write.")] = Path("report.html"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object an attempt, then the report's path.")
    ] = False,
) -> int:
    """Ask the models for what is missing and judge it as it comes; the same command goes on."""
    plan = read_run(config)
    for line in plan.left_out:
        sys.stderr.write(f"left out: {line}\n")
    if dry_run_only:
        from harness.cli.collect_calls import dry_run

        return dry_run(plan.orders, store, fresh=False, as_json=as_json)
    settings = _settings(plan)
    counts = _run(plan, settings, store, as_json=as_json)
    path = report.written(store, output)
    sys.stdout.write((json.dumps({"report": str(path)}) if as_json else str(path)) + "\n")
    if counts["failed call"] or counts["error"]:
        raise EnvironmentFailure(
            f"{counts['failed call']} calls failed and {counts['error']} candidates could not be judged; "
            "the same command tries again"
        )
    return 0


def _settings(plan: RunPlan) -> JudgeSettings:
    require_judge()
    table = plan.file.judge
    try:
        device = resolve_device(table.device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    return JudgeSettings(
        device="cuda" if device == "cuda" else "cpu", size=table.size, rules=table.rules, timing=table.timing,
        require_sandbox=table.require_sandbox,
        limits=Limits(
            seconds=table.timeout_s, call_seconds=table.call_timeout_s, host_memory_gb=table.memory_gb
        ),
    )  # fmt: skip


def _run(plan: RunPlan, settings: JudgeSettings, path: Path, *, as_json: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    purse, total = Purse(plan.budget), sum(order.replies for order in plan.orders)
    slots = 1 if settings.device == "cuda" else plan.file.judge.jobs
    config = {"file": plan.file.model_dump(mode="json"), "models": [o.spec.shown for o in plan.orders]}
    with (
        Store(path) as store,
        store.run(command_line(), config) as run,
        Steps(total, f"asking and judging on {settings.device}") as steps,
        closing(_replies(plan.orders, store, run, purse, counts, steps)) as replies,
    ):
        for judged in Pipeline(settings, store, run, files=plan.files()).judge(replies, slots):
            verdict = judged.attempt.verdict
            counts[verdict.status if verdict is not None else "error"] += 1
            steps.step()
            if as_json:
                sys.stdout.write(json.dumps(attempt_line(judged.attempt, cached=judged.cached)) + "\n")
                sys.stdout.flush()
    outcomes = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    sys.stderr.write(f"{outcomes or 'nothing was judged'}; {purse.spent.calls} calls\n")
    if purse.stopped_by is not None:
        sys.stderr.write(f"stopped by {purse.stopped_by} of [budget]; what had come by then is judged\n")
    return counts


def _replies(
    orders: tuple[Order, ...], store: Store, run: str, purse: Purse, counts: Counter[str], steps: Steps
) -> Generator[StoredReply | None]:
    """Yield each reply as it comes, so that judging starts with the first; None while none comes."""
    from harness.llm import collect_with_pauses

    with closing(collect_with_pauses(orders, store, run, purse=purse, pause_s=_PAUSE_S)) as outcomes:
        for outcome in outcomes:
            if outcome is None:
                yield None
                continue
            if outcome.kind in {"received", "kept"}:
                yield outcome.stored
                continue
            counts["failed call" if outcome.kind == "failed" else outcome.kind] += 1
            steps.say(f"{outcome.stored.reply.model}, sample {outcome.stored.reply.sample}: {outcome.kind}")
            steps.step()
