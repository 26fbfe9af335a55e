"""``kernel-harness prompt``: render one prompt, or all that are legal for a problem."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.files import read_text, write_text
from harness.metrics import Metrics, load_metrics
from harness.problems import load_problem
from harness.prompts import (
    gpu_names,
    is_legal,
    load_gpu,
    load_stage,
    render_prompt,
    stage_names,
)
from harness.records import Prompt


def command(
    problem: Annotated[str, typer.Argument(help="Name or folder of a problem.", show_default=False)],
    stage: Annotated[str | None, typer.Option(help="Name of a stage or path of a .md file.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Name of a GPU, device name, path of a .toml file, or auto.")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    feedback: Annotated[Path | None, typer.Option(help="Text for the feedback section.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write instead of stdout; with --all, a folder.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every legal stage and GPU, a file each.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The prompt's record, a JSON object a line.")
    ] = False,
) -> None:
    """Render the prompt of a problem for a stage and a GPU."""
    if every:
        _check_all(output, gpu, metrics)
    elif stage is None or gpu is None:
        raise UsageError("name a stage with --stage and a GPU with --gpu, or take --all --output FOLDER")
    given = _Given(code, metrics, feedback)
    stages = [stage] if stage else list(stage_names())
    gpus = [gpu] if gpu else list(gpu_names())
    for prompt in _prompts(problem, stages, gpus, given, every):
        if output is not None:
            name = f"{prompt.stage}_{prompt.gpu}.txt"
            write_text(output / name if every else output, prompt.text)
        if as_json:
            _print(prompt.model_dump_json() + "\n")
        elif output is None:
            _print(prompt.text)


class _Given:
    """What the options hand in."""

    def __init__(self, code: Path | None, metrics: Path | None, feedback: Path | None) -> None:
        self.code = _filled(code)
        self.metrics: Metrics | None = load_metrics(metrics) if metrics else None
        self.feedback = _filled(feedback)


def _prompts(
    problem: str, stages: list[str], gpus: list[str], given: _Given, only_legal: bool
) -> Iterator[Prompt]:
    folder = load_problem(problem)
    specs = [load_gpu(name) for name in gpus]
    for name in stages:
        stage = load_stage(name)
        for spec in specs:
            if only_legal and not is_legal(
                problem=folder,
                stage=stage,
                gpu=spec,
                code=given.code,
                metrics=given.metrics,
                feedback=given.feedback,
            ):
                continue
            yield render_prompt(
                problem=folder,
                stage=stage,
                gpu=spec,
                code=given.code,
                metrics=given.metrics,
                feedback=given.feedback,
            )


def _check_all(output: Path | None, gpu: str | None, metrics: Path | None) -> None:
    if output is None:
        raise UsageError("--all writes a file for each prompt: say where with --output FOLDER")
    if metrics is not None and gpu is None:
        raise UsageError("--metrics belong to one GPU: name it with --gpu")


def _filled(path: Path | None) -> str | None:
    if path is None:
        return None
    text = read_text(path)
    if not text.strip():
        raise UsageError(f"{path}: is empty")
    return text


def _print(text: str) -> None:
    """Write the very bytes, whatever the terminal's encoding."""
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
