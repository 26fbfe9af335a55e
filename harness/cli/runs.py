"""``kernel-harness runs``: every command that wrote to the store, with what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.listing import print_json, print_table
from harness.store import Store

_COLUMNS = ("id", "state", "replies", "failed calls", "attempts", "passed", "command")


def command(
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
) -> None:
    """List the runs of a store, the oldest first."""
    with Store(store, read_only=True) as opened:
        runs = opened.runs()
    if as_json:
        print_json(run.model_dump() for run in runs)
        return
    print_table(
        _COLUMNS,
        (
            (
                run.id,
                run.state,
                str(run.replies),
                str(run.failed_calls),
                str(run.attempts),
                str(run.passed),
                run.command,
            )
            for run in runs
        ),
    )
