"""What a dry launch shows of the current code on the prompt's GPU, for want of metrics."""

from __future__ import annotations

from importlib.util import find_spec

from eval.dry_launch.client import DryLaunchFailedError, dry_launch
from eval.dry_launch.records import DryRequest, KernelBuild
from eval.records import Problem
from harness.prompts.gpu_limits import gpu_limits
from harness.prompts.gpu_records import GpuSpec, NvidiaGpu


def dry_builds(problem: Problem, code: str, gpu: GpuSpec) -> tuple[KernelBuild, ...]:
    """Return what each kernel and config compiles to; nothing where that cannot be had.

    It starts a process and compiles every config: seconds.
    """
    if not isinstance(gpu, NvidiaGpu) or find_spec("triton") is None:
        return ()
    try:
        (report,) = dry_launch([DryRequest(problem=problem, code=code, gpu=gpu_limits(gpu))])
    except DryLaunchFailedError:
        return ()
    return report.builds


def dry_occupancy(problem: Problem, code: str, gpu: GpuSpec) -> dict[str, float] | None:
    """Return the lowest theoretical occupancy of each kernel, 0 to 1; None where none can be had."""
    found: dict[str, float] = {}
    for build in dry_builds(problem, code, gpu):
        if build.occupancy is not None:
            found[build.kernel] = min(build.occupancy, found.get(build.kernel, 1.0))
    return found or None
