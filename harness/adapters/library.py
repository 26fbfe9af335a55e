"""Problems, stages and GPUs by name alone: who asks from outside names no file of this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.files import nearest
from harness.problems import ProblemFolder, load_problem, problem_names
from harness.prompts import GpuSpec, Stage, load_gpu, load_stage

_FILES = (".toml", ".md")


class Library:
    """What ships with the harness, and the problem folders that whoever starts it adds."""

    def __init__(self, folders: Iterable[Path | str] = ()) -> None:
        """Read the folders at once: a fault in one is a `UsageError` here, not with the first question."""
        self.added = tuple(load_problem(folder) for folder in folders)
        self._problems: dict[str, ProblemFolder] = {folder.name: folder for folder in self.added}
        self._stages: dict[str, Stage] = {}
        self._gpus: dict[str, GpuSpec] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all problems."""
        return tuple(dict.fromkeys((*(folder.name for folder in self.added), *problem_names())))

    def problem(self, name: str) -> ProblemFolder:
        """Return a problem by its name.

        Raises `UsageError`: there is none of this name.
        """
        if name not in self._problems:
            if name not in self.names:
                raise UsageError(f"unknown problem {name[:80]!r}{nearest(name[:80], self.names)}")
            self._problems[name] = load_problem(name)
        return self._problems[name]

    def stage(self, name: str) -> Stage:
        """Return a stage by its name; raise `UsageError` where there is none."""
        if name not in self._stages:
            self._stages[name] = load_stage(_plain(name, "stage"))
        return self._stages[name]

    def gpu(self, name: str) -> GpuSpec:
        """Return a GPU by a name or alias; raise `UsageError` where there is none."""
        if name not in self._gpus:
            self._gpus[name] = load_gpu(_plain(name, "GPU"))
        return self._gpus[name]


def _plain(name: str, what: str) -> str:
    if "/" in name or "\\" in name or name.endswith(_FILES):
        raise UsageError(f"{what} {name[:80]!r}: give a name, not a file")
    return name
