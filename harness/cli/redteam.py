"""``kernel-harness redteam``: run cheats and honest candidates against this installation."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice, Limits, RulesMode
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure
from harness.redteam import Outcome, RedteamSettings, read_corpus, run, shipped

_FOUND, _ENVIRONMENT = 1, 4
_MOST_JOBS = 4


def command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; the shipped corpus if not given.")
    ] = None,
    no_static: Annotated[
        bool, typer.Option("--no-static", help="Static rules off: structure and audits alone.")
    ] = False,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    problem: Annotated[
        str, typer.Option(help="Problem that the files answer, unless they say so.")
    ] = "cumsum_exclusive",
    size: Annotated[
        str | None, typer.Option(help="Size profile of the problem; the first if not given.")
    ] = None,
    rules: Annotated[
        RulesMode, typer.Option(help="strict or lenient; off turns the audits off too.")
    ] = "strict",
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate may take.")] = 300.0,
    call_timeout: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 60.0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Files at once; on a GPU always one.", show_default="up to 4")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
) -> int:
    """Say for each file what was expected, what the judge did, and which defence fired first."""
    if any(find_spec(name) is None for name in ("torch", "triton", "numpy")):
        raise EnvironmentFailure("judging needs torch, triton and numpy: pip install 'kernel-harness[eval]'")
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    files = read_corpus(paths) if paths else shipped()
    settings = RedteamSettings(
        problem=problem, device="cuda" if found == "cuda" else "cpu", size=size,
        rules="off" if no_static else rules, audits=no_static or rules != "off",
        slots=1 if found == "cuda" else jobs or min(_MOST_JOBS, os.cpu_count() or 1),
        limits=Limits(seconds=timeout, call_seconds=call_timeout),
    )  # fmt: skip
    outcomes = []
    # Closed here, not when the interrupt's traceback is collected: judges end with it.
    with Steps(len(files), f"red team on {found}") as steps, closing(run(files, settings)) as running:
        for outcome in running:
            sys.stdout.write((outcome.model_dump_json() if as_json else _sentence(outcome)) + "\n")
            sys.stdout.flush()
            steps.step()
            outcomes.append(outcome)
    sys.stderr.write(_summary(outcomes) + "\n")
    return _exit_code(outcomes)


def _exit_code(outcomes: list[Outcome]) -> int:
    wrong = {outcome.status for outcome in outcomes if not outcome.ok}
    if not wrong:
        return 0
    return _ENVIRONMENT if wrong == {"error"} else _FOUND


def _sentence(outcome: Outcome) -> str:
    kind = f" ({outcome.reason})" if outcome.reason else ""
    parts = [f"{outcome.file}: expected {outcome.expect}, {outcome.status}{kind}"]
    parts += [f"by {outcome.defence}"] if outcome.defence else []
    parts += [outcome.note] if outcome.note else []
    return ("ok   " if outcome.ok else "FAIL ") + ", ".join(parts)


def _summary(outcomes: list[Outcome]) -> str:
    wrong = [outcome.file for outcome in outcomes if not outcome.ok]
    if not wrong:
        return f"{len(outcomes)} files: no cheat scores and no honest candidate is refused"
    return f"{len(outcomes)} files, {len(wrong)} not as they should be: {json.dumps(wrong)}"
