"""``kernel-harness validate``: attack problems before they are trusted."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice, Limits
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure
from harness.problems import load_problem, problem_names
from harness.validate import validate
from harness.validate.run import count

_FOUND = 1


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names or folders of problems; all if not given.")
    ] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate may take.")] = 300.0,
    jobs: Annotated[int, typer.Option(min=1, help="Candidates at once; on a GPU always one.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> int:
    """Demand that solutions pass, and that references and null candidates handed in as answers do not."""
    if any(find_spec(name) is None for name in ("torch", "triton", "numpy")):
        raise EnvironmentFailure("judging needs torch, triton and numpy: pip install 'kernel-harness[eval]'")
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    problems = [load_problem(name) for name in names or problem_names()]
    code = 0
    with Steps(count(problems), f"validating on {found}") as steps:
        for finding in validate(
            problems,
            "cuda" if found == "cuda" else "cpu",
            slots=1 if found == "cuda" else jobs,
            limits=Limits(seconds=timeout),
        ):
            mark = "ok   " if finding.ok else "FAIL "
            text = f"{mark}{finding.problem}: {finding.check} ({finding.detail.splitlines()[0]})"
            sys.stdout.write((finding.model_dump_json() if as_json else text) + "\n")
            sys.stdout.flush()
            steps.step()
            code = code if finding.ok else _FOUND
    return code
