"""``kernel-harness rescore``: judge again what an older evaluator, or an older text of a problem, judged."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from eval import EVALUATOR_VERSION
from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice
from harness.cli.command_line import command_line
from harness.cli.eval import require_judge
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure, UsageError
from harness.files import nearest
from harness.lines import attempt_line
from harness.pipeline import Judged, JudgeSettings, Pipeline
from harness.problems import load_problem
from harness.records import Facts
from harness.scores import is_counted
from harness.store import Store


class _Batch(NamedTuple):
    problem: str
    stage: str | None
    size: str | None


def command(
    problem: Annotated[str | None, typer.Option(help="One problem alone.")] = None,
    model: Annotated[str | None, typer.Option(help="One model alone.")] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Candidates at once on a CPU; each GPU takes one.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be judged, and stop.")] = False,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a candidate.")] = False,
) -> None:
    """Judge stale results again; the old verdicts stay beside the new ones."""
    if not store.exists():
        raise UsageError(f"there is no store at {store}; give --store FILE")
    require_judge()
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    with Store(store, read_only=dry_run) as opened:
        batches = _stale(list(opened.facts()), found, problem, model)
        total = sum(map(len, batches.values()))
        if dry_run or not total:
            sys.stderr.write(
                f"{total} results to judge again on {found} with evaluator {EVALUATOR_VERSION}\n"
            )
            return
        changes: Counter[str] = Counter()
        with opened.run(command_line()) as run, Steps(total, f"judging on {found}") as steps:
            for batch, stale in batches.items():
                settings = JudgeSettings(device="cuda" if found == "cuda" else "cpu", **batch._asdict())
                # One reply after another may be done in any order, so each is known by its row.
                before = {one.reply: one for one in stale}
                replies = (opened.reply(int(row)) for row in before)
                judged = Pipeline(settings, opened, run).judge(replies, 1 if found == "cuda" else jobs)
                for one in judged:
                    old = before[str(opened.reply_of(one.attempt.id).id)]
                    changes[_print(old, one, as_json=as_json)] += 1
                    steps.step()
    said = ", ".join(f"{number} {change}" for change, number in sorted(changes.items()))
    sys.stderr.write(f"judged again: {said}\n")


def _stale(
    facts: list[Facts], device: str, problem: str | None, model: str | None
) -> dict[_Batch, list[Facts]]:
    """Return the newest judgement of each reply that is not of this evaluator and the problem's text."""
    for name, wanted, known in (
        ("problem", problem, {one.problem for one in facts}),
        ("model", model, {one.model for one in facts}),
    ):
        if wanted is not None and wanted not in known:
            raise UsageError(f"no attempts of {name} {wanted!r}{nearest(wanted, sorted(known))}")
    texts = _texts({one.problem for one in facts if problem in {None, one.problem}})
    newest: dict[tuple[str, str | None, str | None], Facts] = {}
    for one in sorted(facts, key=lambda one: (one.created, one.id)):
        if is_counted(one) and one.device == device and one.problem in texts and model in {None, one.model}:
            newest[one.reply, one.stage, one.size] = one
    batches: dict[_Batch, list[Facts]] = defaultdict(list)
    for one in newest.values():
        if (one.evaluator, one.problem_hash) != (EVALUATOR_VERSION, texts[one.problem]):
            batches[_Batch(one.problem, one.stage, one.size)].append(one)
    return batches


def _texts(problems: set[str]) -> dict[str, str]:
    """Return the hash of each problem's text; one that is not here cannot be judged and is named."""
    found = {}
    for name in sorted(problems):
        try:
            found[name] = load_problem(name).problem.hash
        except UsageError as error:
            sys.stderr.write(f"not judged again: {error}\n")
    return found


def _print(old: Facts, judged: Judged, *, as_json: bool) -> str:
    attempt = judged.attempt
    before, after = old.status or "error", attempt.verdict.status if attempt.verdict else "error"
    change = "unchanged" if before == after else f"from {before} to {after}"
    if as_json:
        line = {
            **attempt_line(attempt, cached=judged.cached),
            "before": {"status": before, "attempt": old.id},
        }
        sys.stdout.write(json.dumps(line) + "\n")
    else:
        sys.stdout.write(f"{attempt.reply.model} #{attempt.reply.sample}, {attempt.problem}: {change}\n")
    sys.stdout.flush()
    return change
