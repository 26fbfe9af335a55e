"""``kernel-harness rows``: rows of a data set as the JSON lines that other commands read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.inputs.kernelbench_results import read_results
from harness.inputs.rows import load_columns, read_rows
from harness.records import Reply

_RESULTS = "kernelbench"


def command(
    path: Annotated[
        Path,
        typer.Argument(
            help="JSON lines, Parquet, or a KernelBench run with its results.", show_default=False
        ),
    ],
    columns: Annotated[
        str,
        typer.Option(
            help="Which column is what: verl, kernelbook, trl, exported, a .toml file; kernelbench: a run.",
            show_default=False,
        ),
    ],
) -> None:
    """Print a data set's rows as replies, a JSON object a line."""
    if columns == _RESULTS:
        for reply, claimed in read_results(path):
            _print(reply, {"claimed": claimed})
        return
    for reply in read_rows(path, load_columns(columns)):
        _print(reply, {})


def _print(reply: Reply, more: dict[str, object]) -> None:
    told = {"problem": reply.problem, "model": reply.model, "sample": reply.sample}
    told |= {"stage": reply.stage, "gpu": reply.gpu} if reply.stage or reply.gpu else {}
    text = {"code" if reply.is_code else "reply": reply.text}
    sys.stdout.write(json.dumps({**told, **text, "source": reply.source, **more}) + "\n")
