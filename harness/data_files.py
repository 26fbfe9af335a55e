"""The problems, stages, GPUs and metrics that a command names, each read once, by the word that names it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.metrics import Metrics, load_metrics
from harness.problems import ProblemFolder, load_problem
from harness.prompts import GpuSpec, Stage, load_gpu, load_stage


class DataFiles:
    """Reads data files and keeps them; every method raises `UsageError` where one is wrong or missing."""

    def __init__(
        self, problems: Iterable[str] = (), stages: Iterable[str] = (), gpus: Iterable[str] = ()
    ) -> None:
        """Read what is named. A file of the user's then goes by its own name, too, which prompts bear."""
        self._problems: dict[str, ProblemFolder] = {}
        self._stages: dict[str, Stage] = {}
        self._gpus: dict[str, GpuSpec] = {}
        self._metrics: dict[Path, Metrics] = {}
        for problem in map(self.problem, problems):
            self._problems[problem.name] = problem
        for stage in map(self.stage, stages):
            self._stages[stage.name] = stage
        for gpu in map(self.gpu, gpus):
            self._gpus[gpu.name] = gpu

    def problem(self, word: str) -> ProblemFolder:
        """Return a problem by its name or path."""
        if word not in self._problems:
            self._problems[word] = load_problem(word)
        return self._problems[word]

    def stage(self, word: str) -> Stage:
        """Return a stage by its name or path."""
        if word not in self._stages:
            self._stages[word] = load_stage(word)
        return self._stages[word]

    def gpu(self, word: str) -> GpuSpec:
        """Return a GPU by its name, device name or path."""
        if word not in self._gpus:
            self._gpus[word] = load_gpu(word)
        return self._gpus[word]

    def metrics(self, path: Path) -> Metrics:
        """Return the metrics of a file."""
        if path not in self._metrics:
            self._metrics[path] = load_metrics(path)
        return self._metrics[path]
