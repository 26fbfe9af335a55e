"""``kernel-harness prompt``: render one prompt, or all that are legal for a problem; compare two."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.prompt_sources import Sources, looked_at
from harness.errors import UsageError
from harness.files import read_text, validated, write_text
from harness.problems import load_problem
from harness.prompts import (
    compared,
    gpu_names,
    is_legal,
    load_gpu,
    load_stage,
    render_prompt,
    spoken,
    stage_names,
)
from harness.records import Prompt

_HASH_CHARS = 64


def command(
    problem: Annotated[
        str | None, typer.Argument(help="Name, folder or .py file of a problem.", show_default=False)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Name of a stage or path of a .md file.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Name of a GPU, device name, path of a .toml file, or auto.")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    feedback: Annotated[
        str | None, typer.Option(help="File with the feedback section, or id of an attempt in the store.")
    ] = None,
    resources: Annotated[
        bool, typer.Option("--resources", help="Add to the feedback what a dry launch shows of its kernels.")
    ] = False,
    history: Annotated[
        str | None, typer.Option(help="Run in the store whose attempts the prompt tells of.")
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Compare two prompts: hashes or attempts in the store, or files (text, or --json output)."
        ),
    ] = None,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    output: Annotated[
        Path | None, typer.Option(help="File to write instead of stdout; with --all, a folder.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every legal stage and GPU, a file each.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The prompt's record, a JSON object a line.")
    ] = False,
) -> None:
    """Render the prompt of a problem for a stage and a GPU."""
    if diff is not None:
        _compare(diff, store, as_json=as_json)
        return
    if problem is None:
        raise UsageError("name a problem; `kernel-harness problems` lists them")
    if every:
        _check_all(output, gpu, metrics)
    elif stage is None or gpu is None:
        raise UsageError("name a stage with --stage and a GPU with --gpu, or take --all --output FOLDER")
    given = Sources(code, metrics, feedback, history, store, looked_at(problem, gpu) if resources else None)
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


def _compare(names: tuple[str, str], store: Path, *, as_json: bool) -> None:
    one, other = (_known_prompt(name, store) for name in names)
    diff = compared(one, other, names)
    _print(f"{diff.model_dump_json()}\n" if as_json else "".join(f"{line}\n" for line in spoken(diff)))


def _known_prompt(name: str, store: Path) -> Prompt:
    """Return a prompt by its file, its hash, or an attempt that answered it."""
    path = Path(name)
    if path.is_file():
        return _prompt_file(path)
    from harness.store import Store

    if not store.exists():
        raise UsageError(f"{name}: there is no such file, and no store at {store}")
    with Store(store, read_only=True) as opened:
        wanted = name if len(name) == _HASH_CHARS else opened.attempt(name).reply.prompt_hash
        prompt = opened.prompt(wanted) if wanted is not None else None
    if prompt is None:
        raise UsageError(f"{name}: no prompt of it in {store}; replies from files were not asked for by one")
    return prompt


def _prompt_file(path: Path) -> Prompt:
    text = read_text(path)
    if path.suffix == ".json":
        return validated(Prompt, _json(text, path), path)
    return Prompt(
        hash=hashlib.sha256(text.encode()).hexdigest(), text=text, problem=str(path), stage="", gpu=""
    )


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error


def _prompts(
    problem: str, stages: list[str], gpus: list[str], given: Sources, only_legal: bool
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
                code=given.code_for(stage),
                metrics=given.metrics,
                feedback=given.feedback,
            ):
                continue
            yield render_prompt(
                problem=folder,
                stage=stage,
                gpu=spec,
                code=given.code_for(stage),
                metrics=given.metrics,
                feedback=given.feedback,
                history=given.history,
            )


def _check_all(output: Path | None, gpu: str | None, metrics: Path | None) -> None:
    if output is None:
        raise UsageError("--all writes a file for each prompt: say where with --output FOLDER")
    if metrics is not None and gpu is None:
        raise UsageError("--metrics belong to one GPU: name it with --gpu")


def _print(text: str) -> None:
    """Write the very bytes, whatever the terminal's encoding."""
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
