"""``kernel-harness validate``: attack problems before they are trusted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eval.assay import Assay
from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice, Limits
from harness.cli.progress import Steps
from harness.cli.several import load_several, words_for
from harness.errors import EnvironmentFailure, UsageError
from harness.problems import ProblemFolder, problem_names
from harness.validate import (
    Assayer,
    Finding,
    Memory,
    findings,
    require_table,
    standing_of_assay,
    standing_of_findings,
    validate,
    write_table,
)
from harness.validate.run import count

_FOUND = 1


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names, folders or files of problems; all of ours if none is given."),
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="Folder of problems: .py files in KernelBench's format, folders.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Cast them: fp32, bf16, fp16, or several with commas.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Attack every problem, and write a table: a .md or .json file.")
    ] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate or file may take.")] = 300.0,
    memory_gb: Annotated[float, typer.Option(help="Memory of one file, in 1e9 bytes.")] = 32.0,
    jobs: Annotated[int, typer.Option(min=1, help="Candidates at once; on a GPU always one.")] = 1,
    store: Annotated[Path, typer.Option(help="The store that remembers what is quarantined.")] = Path(
        "kernel-harness.db"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> int:
    """Demand that solutions pass, and that references and null candidates handed in as answers do not.

    Problems that are files have no solution: only their attacks are tried, without any runner.
    """
    _require_judge()
    asked = names or ([] if problems else list(problem_names()))
    loaded = load_several(words_for(asked, problems, dtype))
    if table is not None:
        require_table(table)
    memory = Memory(store)
    files = [problem for problem in loaded if table is not None or problem.path.is_file()]
    folders = [problem for problem in loaded if problem not in files]
    code = 0
    try:
        if files:
            limits = Limits(seconds=timeout, host_memory_gb=memory_gb)
            code = _code_of(_assay(files, limits, table, memory, as_json=as_json))
        if folders:
            sound = _judge(folders, device, timeout, jobs, memory, as_json=as_json)
            code = max(code, 0 if sound else _FOUND)
    finally:
        _tell(store, memory.weak)
    return code


def _require_judge() -> None:
    if any(find_spec(name) is None for name in ("torch", "triton", "numpy")):
        raise EnvironmentFailure("judging needs torch, triton and numpy: pip install 'kernel-harness[eval]'")


def _assay(
    problems: list[ProblemFolder], limits: Limits, table: Path | None, memory: Memory, *, as_json: bool
) -> list[Assay]:
    assays: list[Assay] = []
    try:
        with (
            Steps(len(problems), "attacking problems") as steps,
            Assayer(limits.seconds, limits.host_memory_gb) as assayer,
        ):
            for assay in assayer.run([problem.problem for problem in problems]):
                assays.append(assay)
                memory.keep(standing_of_assay(assay))
                if as_json:
                    _print(findings(assay), as_json=True)
                else:
                    why = f" ({assay.reason})" if assay.reason else f" ({len(assay.cases)} cases)"
                    sys.stdout.write(f"{assay.status:<12}{assay.problem}{why}\n")
                    sys.stdout.flush()
                steps.step()
    finally:
        if table is not None and assays:
            write_table(table, assays)
    return assays


def _tell(store: Path, weak: list[str]) -> None:
    if weak:
        sys.stderr.write(f"{store} remembers as quarantined: {', '.join(weak)}; scores on them are marked\n")


def _code_of(assays: list[Assay]) -> int:
    if assays and all(assay.status == "skipped" for assay in assays):
        raise UsageError("; ".join(f"{assay.problem}: {assay.reason}" for assay in assays))
    return _FOUND if any(assay.status == "quarantined" for assay in assays) else 0


def _judge(
    problems: list[ProblemFolder], device: DeviceChoice, timeout: float, jobs: int, memory: Memory, *,
    as_json: bool,
) -> bool:  # fmt: skip
    """Tell whether all checks of all problems came out as they must."""
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    sound = True
    with Steps(count(problems), f"validating on {found}") as steps:
        made = validate(
            problems,
            "cuda" if found == "cuda" else "cpu",
            slots=1 if found == "cuda" else jobs,
            limits=Limits(seconds=timeout),
        )
        for problem in problems:
            printed = _print(islice(made, count([problem])), as_json=as_json, steps=steps)
            memory.keep(standing_of_findings(problem.problem, printed))
            sound = sound and all(one.ok for one in printed)
    return sound


def _print(made: Iterator[Finding], *, as_json: bool, steps: Steps | None = None) -> list[Finding]:
    printed: list[Finding] = []
    for finding in made:
        mark = "ok   " if finding.ok else "FAIL "
        text = f"{mark}{finding.problem}: {finding.check} ({finding.detail.splitlines()[0]})"
        sys.stdout.write((finding.model_dump_json() if as_json else text) + "\n")
        sys.stdout.flush()
        if steps is not None:
            steps.step()
        printed.append(finding)
    return printed
