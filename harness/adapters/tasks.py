"""Prompts of problems, stages and GPUs as the rows of a task: what frameworks call a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.records import Record
from harness.adapters.judges import Judges, LocalJudges
from harness.adapters.library import Library
from harness.adapters.remote import RemoteJudges
from harness.errors import UsageError
from harness.prompts import is_legal, render_prompt

LOCAL = "local"
"""Judges in this process, where a URL could stand."""


class TaskRow(Record):
    """One prompt and what its answers are judged on."""

    prompt: str
    problem: str
    stage: str
    gpu: str

    @property
    def columns(self) -> dict[str, str]:
        """Return all but the prompt."""
        return {"problem": self.problem, "stage": self.stage, "gpu": self.gpu}


def task_rows(
    library: Library, problems: Sequence[str], stages: Sequence[str], gpus: Sequence[str]
) -> list[TaskRow]:
    """Return a row for each that is legal: a stage may need current code that a problem lacks.

    Raises `UsageError`: a name that is not here, or nothing that is legal.
    """
    rows = []
    for name in problems or library.names:
        problem = library.problem(name)
        for stage in map(library.stage, stages):
            for gpu in map(library.gpu, gpus):
                if is_legal(problem=problem, stage=stage, gpu=gpu):
                    text = render_prompt(problem=problem, stage=stage, gpu=gpu).text
                    rows.append(TaskRow(prompt=text, problem=name, stage=stage.name, gpu=gpu.name))
    if not rows:
        raise UsageError(
            f"no prompt is legal: {', '.join(stages) or 'no stage'} needs what these problems lack"
        )
    return rows


def words(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names that were given as a list, or in one text with commas."""
    if value is None:
        return ()
    given = value.split(",") if isinstance(value, str) else value
    return tuple(word.strip() for word in given if word.strip())


def folders(value: str | Sequence[str] | None) -> Library:
    """Return what ships, and the problems of these folders."""
    return Library([Path(word) for word in words(value)])


def judges_at(judge: str, library: Library, device: str = "auto", token: str | None = None) -> Judges:
    """Return the judges at a URL, or with ``local`` those of this process."""
    return LocalJudges(library, device=device) if judge == LOCAL else RemoteJudges(judge, token)
