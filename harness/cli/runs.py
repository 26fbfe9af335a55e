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
    upgrade: Annotated[
        bool, typer.Option(help="Bring a store of an older version up to date; a copy stays beside it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
) -> None:
    """List the runs of a store, the oldest first."""
    if upgrade:
        # Only a command that writes does that, and one that finds no store would make one.
        Store(store, read_only=not store.exists()).close()
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
