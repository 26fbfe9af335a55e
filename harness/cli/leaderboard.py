"""``kernel-harness leaderboard``: every model's scores, ranked, one table a problem and GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from eval.records import Track
from harness.cli.listing import PLAIN_WIDTH
from harness.errors import UsageError
from harness.files import nearest
from harness.leaderboard import as_csv, as_json_lines, as_markdown, as_tables
from harness.records import Facts
from harness.scores import Score, left_out, left_out_text, overall_table, score_table
from harness.store import Store


def command(
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    track: Annotated[Track | None, typer.Option(help="One track alone.")] = None,
    problem: Annotated[str | None, typer.Option(help="One problem alone.")] = None,
    stage: Annotated[str | None, typer.Option(help="Attempts made for one stage alone.")] = None,
    overall: Annotated[bool, typer.Option(help="A row a model over all problems.")] = False,
    stale: Annotated[bool, typer.Option(help="Show the results of older evaluators and texts too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    md: Annotated[bool, typer.Option("--md", help="Markdown tables.")] = False,
) -> None:
    """Print the leaderboard of a store."""
    if as_json + csv + md > 1:
        raise UsageError("take one of --json, --csv and --md")
    with Store(store, read_only=True) as opened:
        everything = list(opened.facts())
    facts = [f for f in everything if problem in {None, f.problem} and stage in {None, f.stage}]
    if everything and not facts:
        raise UsageError(_nothing(everything, problem, stage))
    if note := left_out_text(left_out(facts)):
        sys.stderr.write(f"{note}\n")
    if not facts:
        sys.stderr.write(f"no attempts in {store} yet; judge some replies with `eval`\n")
    table = overall_table(facts) if overall else score_table(facts)
    if overall and facts and not table:
        sys.stderr.write("no model was judged on more than one problem, so there is no row over all\n")
    scores = [score for score in table if track in {None, score.track} and (stale or not score.stale)]
    if as_json or csv or md:
        form = as_json_lines if as_json else as_csv if csv else as_markdown
        sys.stdout.write(form(scores))
    else:
        _print_tables(scores)


def _nothing(attempts: list[Facts], problem: str | None, stage: str | None) -> str:
    problems = sorted({attempt.problem for attempt in attempts})
    if problem is not None and problem not in problems:
        return f"no attempts on problem {problem!r}{nearest(problem, problems)}"
    stages = sorted({attempt.stage for attempt in attempts if attempt.stage})
    return f"no attempts for stage {stage!r} on that problem{nearest(stage or '', stages)}"


def _print_tables(scores: list[Score]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    for number, table in enumerate(as_tables(scores, console.width)):
        if number:
            console.print()
        console.print(table)
