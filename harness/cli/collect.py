"""``kernel-harness collect``: ask a model for replies to one prompt, and keep every one of them."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure
from harness.files import read_text, validated
from harness.llm.spec import ModelSpec, public_url
from harness.metrics import load_metrics
from harness.problems import load_problem
from harness.prompts import load_gpu, load_stage, render_prompt
from harness.records import Prompt
from harness.store import Store

if TYPE_CHECKING:
    from harness.llm import Outcome


def command(
    problem: Annotated[str, typer.Argument(help="Name or folder of a problem.", show_default=False)],
    stage: Annotated[str, typer.Option(help="Name of a stage or path of a .md file.")],
    gpu: Annotated[str, typer.Option(help="Name of a GPU, device name, path of a .toml file, or auto.")],
    model: Annotated[str, typer.Option(help="Name of the model, or replay:FOLDER for recorded replies.")],
    samples: Annotated[int, typer.Option(min=1, help="Replies to have in the store.")] = 1,
    base_url: Annotated[
        str | None,
        typer.Option(help="OpenAI-compatible address; OPENAI_BASE_URL or OpenAI itself if not given."),
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the key; OPENAI_API_KEY if not given.")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Current code, instead of the problem's own.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Nsight Compute metrics of that code, JSON.")] = None,
    feedback: Annotated[Path | None, typer.Option(help="Text for the feedback section.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest reply in tokens.")] = None,
    timeout: Annotated[float, typer.Option(help="Longest silence of the endpoint, in seconds.")] = 600.0,
    max_retries: Annotated[
        int, typer.Option(help="How often a call is sent again after 429, 5xx or a silence.")
    ] = 5,
    concurrency: Annotated[int, typer.Option(help="Calls in flight at once.")] = 8,
    stream: Annotated[bool, typer.Option(help="Keep what came of a reply that breaks off.")] = True,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a reply.")] = False,
) -> int:
    """Ask a model, keep every raw reply; the same command again asks only for what is missing."""
    spec = validated(
        ModelSpec,
        {
            "model": model,
            "base_url": base_url,
            "key_env": key_env,
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "timeout_s": timeout,
            "max_retries": max_retries,
            "concurrency": concurrency,
            "stream": stream,
        },
        Path("collect"),
    )
    prompt = render_prompt(
        problem=load_problem(problem),
        stage=load_stage(stage),
        gpu=load_gpu(gpu),
        code=read_text(code) if code else None,
        metrics=load_metrics(metrics) if metrics else None,
        feedback=read_text(feedback) if feedback else None,
    )
    return _collect(prompt, spec, samples, store, as_json=as_json)


def _collect(prompt: Prompt, spec: ModelSpec, samples: int, path: Path, *, as_json: bool) -> int:
    from harness.llm import collect

    counts: Counter[str] = Counter()
    with Store(path) as store, store.run(_command_line(), _config(prompt, spec, samples)) as run:
        try:
            with (
                Steps(samples, f"replies of {spec.model}") as steps,
                closing(collect([prompt], spec, range(samples), store, run)) as outcomes,
            ):
                for outcome in outcomes:
                    counts[outcome.kind] += 1
                    steps.step()
                    if outcome.kind == "failed":
                        steps.say(f"sample {outcome.stored.reply.sample}: {outcome.stored.error}")
                    if as_json:
                        _print(json.dumps(_line(outcome)))
        finally:
            summary = _summary(counts, samples, path, run)
            if as_json:
                sys.stderr.write(f"{summary}\n")
            else:
                _print(summary)
    if failed := counts["failed"]:
        calls = "call" if failed == 1 else "calls"
        raise EnvironmentFailure(f"{failed} {calls} failed; the same command tries again")
    return 0


def _config(prompt: Prompt, spec: ModelSpec, samples: int) -> dict[str, Any]:
    return {
        "problem": prompt.problem,
        "stage": prompt.stage,
        "gpu": prompt.gpu,
        "prompt": prompt.hash,
        "model": spec.model,
        "samples": samples,
        "parameters": spec.parameters,
    }


def _line(outcome: Outcome) -> dict[str, Any]:
    reply = outcome.stored.reply
    return {
        "reply": outcome.stored.id,
        "problem": reply.problem,
        "stage": reply.stage,
        "gpu": reply.gpu,
        "model": reply.model,
        "sample": reply.sample,
        "state": outcome.kind,
        "cached": outcome.kind == "kept",
        "characters": len(reply.text),
        "finish_reason": reply.finish_reason,
        "usage": reply.usage,
        "latency_s": reply.latency_s,
        "model_id": reply.model_id,
        "prompt": reply.prompt_hash,
        "run": outcome.stored.run,
        "error": outcome.stored.error,
    }


def _summary(counts: Counter[str], samples: int, path: Path, run: str) -> str:
    have = counts["received"] + counts["kept"]
    parts = [f"{counts['received']} new", f"{counts['kept']} kept"]
    parts += [f"{counts[kind]} {words}" for kind, words in _ELSE.items() if counts[kind]]
    return f"{have} of {samples} replies in {path} ({', '.join(parts)}); run {run}"


_ELSE = {"failed": "failed", "elsewhere": "in flight in another process"}


def _command_line() -> str:
    """Return the command as it was typed, without what may be secret in an address."""
    return shlex.join(["kernel-harness", *(_public(argument) for argument in sys.argv[1:])])


def _public(argument: str) -> str:
    option, mark, value = argument.rpartition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{mark}{public_url(value)}" if "://" in value else argument


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
