"""Run ``ncu`` round one call of a candidate, and say clearly why where there are no metrics."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from eval.records import Job, Record
from eval.runner.sandbox import SandboxReport
from harness.errors import EnvironmentFailure, UsageError
from harness.machine import Profiler
from harness.profile.report import DURATION, KernelReport, read_report, unknown_metrics
from harness.profile.tool import ToolRun, Workbench

_QUERY_SECONDS = 60.0
NO_METRICS = "the prompt then says that nothing was measured"


class Measured(Record):
    """What one run of Nsight Compute gave."""

    kernels: tuple[KernelReport, ...]
    walls: SandboxReport | None
    """What stood around the candidate meanwhile; None where it did not say."""


def measured(
    job: Job, metrics: Sequence[str], found: Profiler, *, timeout_s: float, clock_control: str = "none"
) -> Measured:
    """Return the kernels of one call of the candidate's ``forward``, warmed up, on this machine's GPU.

    Raises `EnvironmentFailure`: no ``ncu``, no permission, or no answer in time. Raises `UsageError`: a
    metric that this chip lacks, a counter without a number, or a candidate that fails.
    """
    if found.path is None:
        raise EnvironmentFailure(f"there is no Nsight Compute here: put `ncu` on PATH; {NO_METRICS}")
    if found.permitted is False:
        raise _not_permitted()
    wanted = list(dict.fromkeys([*metrics, DURATION]))
    _check_names(found.path, wanted)
    command = [
        found.path, "--profile-from-start", "off", "--clock-control", clock_control, "--csv",
        "--page", "raw", "--print-units", "base", "--metrics", ",".join(wanted),
    ]  # fmt: skip
    late = f"Nsight Compute gave no report within {timeout_s:g} s; {NO_METRICS}"
    with Workbench(job) as bench:
        done, walls = bench.run(command, "eval.profile", timeout_s, late), bench.walls()
    kernels = read_report(_checked(done), "Nsight Compute's report")
    _check_numbers(kernels, wanted)
    return Measured(kernels=kernels, walls=walls)


def said_of_walls(walls: SandboxReport | None) -> str:
    """Put into a line which of a runner's walls stood while a tool ran round it."""
    if walls is None:
        return "walls around the candidate: not known, the run did not say\n"
    active, missing = ", ".join(walls.active) or "none", ", ".join(walls.missing) or "none"
    return f"walls around the candidate: {active}; missing under NVIDIA's tool: {missing}\n"


def _check_names(ncu: str, metrics: Sequence[str]) -> None:
    done = subprocess.run(
        [ncu, "--query-metrics"], capture_output=True, text=True, check=False, timeout=_QUERY_SECONDS
    )
    if "ERR_NVGPUCTRPERM" in done.stdout + done.stderr:
        raise _not_permitted()
    unknown = unknown_metrics(metrics, done.stdout) if done.returncode == 0 else {}
    for metric, hint in unknown.items():
        raise UsageError(f"this GPU has no metric {metric}; {hint}")


def _check_numbers(kernels: Sequence[KernelReport], metrics: Sequence[str]) -> None:
    for metric in metrics:
        if not any(metric in kernel.values for kernel in kernels):
            raise UsageError(f"{metric} gave no number on this GPU: leave it out of the stage's metrics")


def _checked(done: ToolRun) -> str:
    if "ERR_NVGPUCTRPERM" in done.out + done.err:
        raise _not_permitted()
    if done.code != 0:
        raise UsageError(f"the profiled call failed:\n  {done.last_lines}")
    return done.out


def _not_permitted() -> EnvironmentFailure:
    return EnvironmentFailure(
        "this user may not read the GPU's counters (ERR_NVGPUCTRPERM): load the driver with "
        f"NVreg_RestrictProfilingToAdminUsers=0, or run as an administrator; {NO_METRICS}"
    )
