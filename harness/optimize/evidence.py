"""What is known of the current code before a stage: Nsight Compute metrics, and a dry launch's resources.

Metrics are measured once for each code and stage and kept as files, so that an optimisation that is
resumed asks with the very prompts it asked with before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from eval.client import cuda_device_name
from eval.dry_launch.records import KernelBuild
from eval.records import Job, Rejected
from eval.rules import check_code, static_verdict
from harness.errors import EnvironmentFailure, UsageError
from harness.files import text_hash, write_text
from harness.machine import Profiler
from harness.metrics import kernel_names
from harness.optimize.records import Plan
from harness.problems import ProblemFolder
from harness.profile import measured, prompt_metrics
from harness.prompts import GpuSpec, Stage, load_gpu
from harness.prompts.dry import dry_builds
from harness.records import Attempt

_HASH_CHARS = 12


class Evidence:
    """Looks at code on the GPU of the prompts."""

    def __init__(
        self,
        plan: Plan,
        problem: ProblemFolder,
        gpu: GpuSpec,
        profiler: Profiler | None,
        say: Callable[[str], None],
    ) -> None:
        """`profiler` is None where nothing is to be profiled; `say` hears why metrics are missing."""
        self._plan, self._problem, self._gpu, self._say = plan, problem, gpu, say
        self._profiler = profiler

    def metrics(self, code: str | None, stage: Stage) -> Path | None:
        """Return a file with the stage's metrics of `code`; None where there are none."""
        if code is None or not stage.metrics:
            return None
        if self._plan.metrics is not None and code == self._plan.code_of(self._problem):
            return self._plan.metrics
        file = self._plan.folder / "metrics" / f"{text_hash(code)[:_HASH_CHARS]}_{stage.name}.json"
        if not file.exists():
            shown = self._measured(code, stage)
            if not shown:
                return None
            write_text(file, json.dumps(shown, indent=2) + "\n")
        return file

    def builds(self, attempt: Attempt) -> tuple[KernelBuild, ...]:
        """Return what a dry launch shows of a failed candidate; nothing of one that the rules refuse."""
        if attempt.candidate is None or isinstance(attempt.verdict, Rejected):
            return ()
        return dry_builds(self._problem.problem, attempt.candidate.code, self._gpu)

    def _measured(self, code: str, stage: Stage) -> dict[str, dict[str, int | float]]:
        if self._profiler is None:
            return {}
        refused = static_verdict(check_code(code, mode="strict"))
        if refused is not None:
            self._say(f"{stage.name}: no metrics: code that the rules refuse is not run outside of the walls")
            return {}
        job = Job(problem=self._problem.problem, code=code, size=self._plan.size, limits=self._plan.limits)
        try:
            found = measured(job, stage.metrics, self._profiler, timeout_s=self._plan.limits.seconds)
        except EnvironmentFailure as error:
            self._profiler = None
            self._say(f"no metrics from here on: {error}")
            return {}
        except UsageError as error:
            self._say(f"{stage.name}: no metrics: {error}")
            return {}
        return prompt_metrics(found.kernels, stage.metrics, kernel_names(code))


def same_gpu(gpu: GpuSpec) -> bool:
    """Tell whether the GPU of the prompts is the one that is here: metrics of another would mislead."""
    device = cuda_device_name()
    try:
        return device is not None and load_gpu(device).name == gpu.name
    except UsageError:
        return False
