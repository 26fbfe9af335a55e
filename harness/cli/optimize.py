"""``kernel-harness optimize``: carry one problem through stages, and keep or revert at each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice, Limits, RulesMode
from harness.cli.command_line import command_line
from harness.cli.eval import require_judge
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure
from harness.files import read_text, validated, write_text
from harness.llm.spec import ModelSpec
from harness.optimize import Journey, Plan, Step, Summary
from harness.problems import load_problem
from harness.prompts import load_stage
from harness.store import Store

_BAR = 40


def command(
    problem: Annotated[str, typer.Argument(help="Name or folder of a problem.", show_default=False)],
    gpu: Annotated[
        str,
        typer.Option(help="Name of a GPU, device name, path of a .toml file, or auto.", show_default=False),
    ],
    stages: Annotated[str, typer.Option(help="Stages in their order, with commas.", show_default=False)],
    model: Annotated[
        str,
        typer.Option(help="Name of the model, or replay:FOLDER for recorded replies.", show_default=False),
    ],
    samples: Annotated[int, typer.Option(min=1, help="Replies for each prompt.")] = 1,
    repairs: Annotated[int, typer.Option(min=0, help="Rounds of repair in a stage that fails.")] = 1,
    code: Annotated[
        Path | None, typer.Option(help="Code to start from, instead of the problem's own.")
    ] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    profile: Annotated[
        bool, typer.Option(help="Measure metrics of what is kept, where the prompts' GPU and `ncu` are here.")
    ] = True,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    size: Annotated[
        str | None, typer.Option(help="Size profile of the problem; the first if not given.")
    ] = None,
    rules: Annotated[RulesMode, typer.Option(help="strict, lenient, or off for calibration.")] = "strict",
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate may take.")] = 300.0,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible address.")] = None,
    key_env: Annotated[str | None, typer.Option(help="Environment variable with the key.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    max_reply_tokens: Annotated[int | None, typer.Option(help="Longest reply in tokens.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Stop after so many candidates.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Stop after so many tokens, prompts included.")
    ] = None,
    max_cost: Annotated[float | None, typer.Option(help="Stop when so much is spent.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Begin no round after so many minutes.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for each code that is kept.")] = Path("optimized"),
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a stage, then the summary.")
    ] = False,
) -> None:
    """Carry a problem through stages; the same command again goes on where it was left."""
    require_judge()
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    named = tuple(name.strip() for name in stages.split(",") if name.strip())
    given: dict[str, Any] = {
        "problem": problem, "gpu": gpu, "stages": named, "samples": samples, "repairs": repairs,
        "code": read_text(code) if code else None, "metrics": metrics,
        "profile": profile, "device": device, "size": size, "rules": rules,
        "limits": Limits(seconds=timeout), "folder": output,
        "budget": {"attempts": max_attempts, "tokens": max_tokens, "cost": max_cost, "minutes": max_minutes},
        "spec": validated(
            ModelSpec,
            {
                "model": model, "base_url": base_url, "key_env": key_env, "temperature": temperature,
                "max_tokens": max_reply_tokens,
            },
            Path("optimize"),
        ),
    }  # fmt: skip
    plan = validated(Plan, given, Path("optimize"))
    with (
        Store(store) as kept,
        kept.run(command_line(), _config(plan)) as run,
        Steps(len(plan.stages), f"stages on {found}") as steps,
    ):
        told: list[dict[str, Any]] = []
        journey = Journey(plan, kept, run, "cuda" if found == "cuda" else "cpu", steps.say)
        for step in journey.steps():
            steps.step()
            told.append(step.model_dump(mode="json"))
            kept.note(run, {"steps": told})
            _print(json.dumps(step.model_dump(mode="json")) if as_json else _sentence(step))
        summary = journey.summary()
    write_text(output / "journey.json", summary.model_dump_json(indent=2) + "\n")
    _print(json.dumps(summary.model_dump(mode="json")) if as_json else "\n".join(_ending(summary)))


def _config(plan: Plan) -> dict[str, Any]:
    return {
        "problem": load_problem(plan.problem).name,
        "stages": [load_stage(name).name for name in plan.stages],
        "model": plan.spec.shown,
        "steps": [],
    }


def _sentence(step: Step) -> str:
    parts = [f"{step.stage}: {'kept' if step.kept else 'not kept'}"]
    if step.ms is not None:
        parts.append(
            f"{step.ms:.4g} ms" + (f" after {step.before_ms:.4g}" if step.before_ms is not None else "")
        )
    parts += [f"attempt {step.attempt}"] if step.attempt else []
    parts += [f"{step.repairs} repairs"] if step.repairs else []
    parts += [step.note] if step.note else []
    return ", ".join(parts)


def _ending(summary: Summary) -> list[str]:
    lines = _chart(summary)
    if summary.stopped_by is not None:
        lines.append(f"stopped by the limit on {summary.stopped_by.removeprefix('max_')}")
    spent = f"{summary.attempts} attempts, {summary.tokens} tokens"
    where = f"best code in {summary.best}" if summary.best is not None else "no code yet"
    return [*lines, f"{where}; {spent}"]


def _chart(summary: Summary) -> list[str]:
    """Return the time after each stage as bars; nothing where nothing was timed."""
    times: list[tuple[str, float]] = []
    for step in summary.steps:
        if not times and step.before_ms is not None:
            times.append(("start", step.before_ms))
        if step.kept and step.ms is not None:
            times.append((step.stage, step.ms))
    if summary.floor_ms is not None:
        times.append(("floor", summary.floor_ms))
    longest = max((ms for _, ms in times), default=0.0)
    width = max((len(name) for name, _ in times), default=0)
    return [f"{name:<{width}}  {'#' * max(1, round(_BAR * ms / longest))} {ms:.4g} ms" for name, ms in times]


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
