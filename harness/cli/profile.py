"""``kernel-harness profile``: Nsight Compute metrics of a candidate, as the prompt shows them."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from eval.client import cuda_device_name
from eval.records import Failed, Job
from eval.rules import check_code, static_verdict
from harness.errors import EnvironmentFailure, UsageError
from harness.extract import extract
from harness.files import read_text, write_text
from harness.inputs import read_replies
from harness.machine import profiler
from harness.metrics import kernel_names
from harness.problems import load_problem
from harness.profile import KernelReport, measured, prompt_metrics, read_report, said_of_walls
from harness.profile.ncu import NO_METRICS
from harness.prompts import load_stage


def command(
    path: Annotated[Path, typer.Argument(help="Code or a reply.", show_default=False)],
    problem: Annotated[str, typer.Option(help="Name or folder of the problem.", show_default=False)],
    stage: Annotated[str, typer.Option(help="Stage whose metrics are collected.", show_default=False)],
    size: Annotated[
        str | None, typer.Option(help="Size profile of the problem; the first if not given.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Recorded output of `ncu --csv --page raw --print-units base`; nothing is run."),
    ] = None,
    every_kernel: Annotated[
        bool, typer.Option("--every-kernel", help="Keep kernels of libraries too; prompts refuse them.")
    ] = False,
    clock_control: Annotated[str, typer.Option(help="ncu's --clock-control: none or base.")] = "none",
    timeout: Annotated[float, typer.Option(help="Seconds that all may take.")] = 300.0,
    output: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
) -> None:
    """Profile one warmed-up call of a candidate; or read a recorded report."""
    folder, wanted = load_problem(problem), load_stage(stage)
    folder.check_size(size)
    if not wanted.metrics:
        raise UsageError(f"stage {wanted.name} shows no metrics; name one that does")
    code = _code(path)
    if report is not None:
        kernels = read_report(read_text(report), str(report))
    else:
        _require_gpu()
        job = Job(problem=folder.problem, code=code, size=size)
        found = measured(job, wanted.metrics, profiler(), timeout_s=timeout, clock_control=clock_control)
        kernels = found.kernels
        sys.stderr.write(said_of_walls(found.walls))
    own = kernel_names(code)
    shown = prompt_metrics(kernels, wanted.metrics, None if every_kernel else own)
    if not shown:
        names = ", ".join(kernel.name for kernel in kernels)
        raise UsageError(f"none of the metrics belongs to a kernel of {path}; the report has {names}")
    _say_shares(kernels, set(own))
    text = json.dumps(shown, indent=2) + "\n"
    if output is not None:
        write_text(output, text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _code(path: Path) -> str:
    replies = list(read_replies([path]))
    if len(replies) != 1:
        raise UsageError(f"{path}: {len(replies)} replies; profile takes one candidate")
    found = extract(replies[0].text, is_code=replies[0].is_code)
    if isinstance(found, Failed):
        raise UsageError(f"{path}: {found.detail}")
    refused = static_verdict(check_code(found.code, mode="lenient"))
    if refused is not None:
        raise UsageError(f"{path}: is not run: {refused.detail}")
    return found.code


def _require_gpu() -> None:
    if cuda_device_name() is None:
        raise EnvironmentFailure(
            f"profiling needs an NVIDIA GPU, and none is here; --report reads a recorded one, or {NO_METRICS}"
        )
    missing = [name for name in ("torch", "triton") if find_spec(name) is None]
    if missing:
        raise EnvironmentFailure(f"profiling needs {', '.join(missing)}: pip install 'kernel-harness[eval]'")


def _say_shares(kernels: tuple[KernelReport, ...], own: set[str]) -> None:
    """Tell on stderr where the time goes, kernels of libraries included."""
    total = sum(kernel.duration_ns for kernel in kernels)
    for kernel in kernels if total else ():
        whose = "" if kernel.name in own else " (a library's)"
        share = 100 * kernel.duration_ns / total
        sys.stderr.write(f"{kernel.name}{whose}: {kernel.duration_ns / 1e6:.4g} ms, {share:.0f} %\n")
