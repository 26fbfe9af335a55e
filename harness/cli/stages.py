"""``kernel-harness stages``: list the stages and check their files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harness.cli.listing import load_all, print_json, print_table
from harness.prompts import Stage, load_stage, stage_names

COLUMNS = ("name", "title", "needs", "scope", "min gain", "rules", "when")


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE]...", help="Names or paths of .md files; all without.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """List the optimisation stages, and check their files."""
    stages, code = load_all(names or stage_names(), load_stage)
    if as_json:
        print_json(_summary(stage) for stage in stages)
    elif stages:
        print_table(COLUMNS, [_row(stage) for stage in stages])
    return code


def _summary(stage: Stage) -> dict[str, Any]:
    facts = stage.model_dump(mode="json", exclude={"body", "body_line", "text"})
    return {**facts, "min_gain": stage.min_gain, "hash": stage.hash}


def _row(stage: Stage) -> tuple[str, ...]:
    gain = "" if stage.min_gain is None else f"{100 * stage.min_gain:g} %"
    return (
        stage.name,
        stage.title,
        ", ".join(stage.needs),
        stage.scope,
        gain,
        str(len(stage.rules)),
        stage.when,
    )
