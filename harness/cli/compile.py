"""``kernel-harness compile``: what a candidate would launch on a GPU that need not be there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from eval.dry_launch.client import DryLaunchFailedError, dry_launch
from eval.dry_launch.records import DryFailure, DryReport, DryRequest, GpuLimits, KernelBuild
from eval.records import Failed, Limits, Problem
from harness.cli.listing import print_json, print_table
from harness.errors import EnvironmentFailure, UsageError
from harness.extract import extract
from harness.inputs import read_replies
from harness.problems import load_problem
from harness.prompts.gpu_limits import gpu_limits
from harness.prompts.gpus import load_gpu

_NOT_COMPILED = 1
_COLUMNS = (
    "kernel", "config", "warps", "stages", "grid", "registers", "spill bytes", "shared bytes", "occupancy",
    "limiter", "waves",
)  # fmt: skip


def command(
    path: Annotated[Path, typer.Argument(help="Code or a reply.", show_default=False)],
    problem: Annotated[str, typer.Option(help="Name or folder of the problem.", show_default=False)],
    gpu: Annotated[str, typer.Option(help="GPU to compile for; it need not be there.", show_default=False)],
    size: Annotated[
        str | None, typer.Option(help="Size profile of the problem; the first if not given.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that all compiling may take.")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a kernel and config.")] = False,
) -> int:
    """Compile every kernel and configuration that a candidate launches; nothing runs on a GPU."""
    _require_compiler()
    folder = load_problem(problem)
    folder.check_size(size)
    target = gpu_limits(load_gpu(gpu))
    report = _report(path, folder.problem, target, size, Limits(seconds=timeout, call_seconds=timeout))
    if as_json:
        print_json(_lines(report))
    else:
        _print(report)
    return _NOT_COMPILED if report.failures else 0


def _require_compiler() -> None:
    missing = [name for name in ("torch", "triton", "numpy") if find_spec(name) is None]
    if missing:
        raise EnvironmentFailure(f"compiling needs {', '.join(missing)}: pip install 'kernel-harness[eval]'")


def _report(path: Path, problem: Problem, gpu: GpuLimits, size: str | None, limits: Limits) -> DryReport:
    replies = list(read_replies([path]))
    if len(replies) != 1:
        raise UsageError(f"{path}: {len(replies)} replies; compile takes one candidate")
    candidate = extract(replies[0].text, is_code=replies[0].is_code)
    if isinstance(candidate, Failed):
        return DryReport(failures=(DryFailure(kind="candidate", message=candidate.detail or "no code"),))
    request = DryRequest(problem=problem, code=candidate.code, gpu=gpu, size=size, limits=limits)
    try:
        return dry_launch([request])[0]
    except DryLaunchFailedError as error:
        raise EnvironmentFailure(str(error)) from error


def _lines(report: DryReport) -> Iterator[dict[str, Any]]:
    for build in report.builds:
        yield {**build.model_dump(mode="json"), "error": None}
    for failure in report.failures:
        empty = dict.fromkeys(KernelBuild.model_fields)
        said = failure.model_dump(mode="json", include={"kernel", "config", "line"})
        yield empty | said | {"error": {"kind": failure.kind, "message": failure.message}}


def _print(report: DryReport) -> None:
    if report.builds:
        print_table(_COLUMNS, map(_row, report.builds))
    for failure in report.failures:
        sys.stderr.write(_sentence(failure) + "\n")


def _row(build: KernelBuild) -> tuple[str, ...]:
    figures = (
        build.registers, build.spill_bytes, build.shared_bytes,
        None if build.occupancy is None else f"{build.occupancy:.0%}", build.limiter, build.waves,
    )  # fmt: skip
    config = ", ".join(f"{name}={value}" for name, value in build.config.items())
    grid = " x ".join(map(str, build.grid))
    launch = (build.kernel, config, str(build.num_warps), str(build.num_stages), grid)
    return (*launch, *("-" if figure is None else str(figure) for figure in figures))


def _sentence(failure: DryFailure) -> str:
    where = f"line {failure.line}: " if failure.line else ""
    if failure.kind == "compile":
        return f"{failure.kernel} {json.dumps(failure.config)} does not compile: {where}{failure.message}"
    return f"could not be launched dry ({failure.kind}): {where}{failure.message}"
