"""``kernel-harness collect``: ask models for replies to one prompt, and keep every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from harness.cli.collect_calls import ask, dry_run, replay
from harness.cli.collect_files import import_files, write_batch
from harness.cli.prompt_sources import Sources, looked_at
from harness.errors import UsageError
from harness.files import validated
from harness.llm.budget import Budget
from harness.llm.config import Purchase, read_purchase
from harness.llm.list_prices import LIST, with_list_price
from harness.llm.orders import Order
from harness.llm.spec import ModelSpec
from harness.problems import load_problem
from harness.prompts import load_gpu, load_stage, render_prompt
from harness.records import Prompt


def command(
    problem: Annotated[
        str | None, typer.Argument(help="Name or folder of a problem.", show_default=False)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Name of a stage or path of a .md file.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Name of a GPU, device name, path of a .toml file, or auto.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model, or replay:FOLDER for recorded replies.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Replies of each model to have in the store.")] = 1,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with [[models]] and [budget], instead of --model.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="OpenAI-compatible address; OPENAI_BASE_URL or OpenAI itself if not given."),
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the key; OPENAI_API_KEY if not given.")
    ] = None,
    api: Annotated[
        Literal["chat", "responses"], typer.Option(help="Chat Completions or Responses.")
    ] = "chat",
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
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling.")] = None,
    max_reply_tokens: Annotated[int | None, typer.Option(help="Longest reply in tokens.")] = None,
    reasoning_effort: Annotated[str | None, typer.Option(help="How much the model thinks first.")] = None,
    n: Annotated[int, typer.Option(help="Replies asked for in one call, where the server can.")] = 1,
    price: Annotated[
        str | None,
        typer.Option(
            help="Of a million tokens: INPUT,OUTPUT or INPUT,OUTPUT,CACHED_INPUT; or list, the published one."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Longest silence of the endpoint, in seconds.")] = 600.0,
    max_retries: Annotated[
        int, typer.Option(help="How often a call is sent again after 429, 5xx, a silence or a broken reply.")
    ] = 5,
    concurrency: Annotated[int, typer.Option(help="Calls in flight at once.")] = 8,
    requests_per_minute: Annotated[float | None, typer.Option(help="Limit of the endpoint.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="Limit of the endpoint.")] = None,
    stream: Annotated[bool, typer.Option(help="Keep what came of a reply that breaks off.")] = True,
    max_cost: Annotated[float | None, typer.Option(help="Stop when this command has spent so much.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Stop when this command has used so many tokens, prompts included.")
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option(help="Stop when this command has sent so many requests.")
    ] = None,
    dry_run_only: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and ask nobody.")
    ] = False,
    fresh: Annotated[bool, typer.Option(help="Buy again what the store holds.")] = False,
    import_paths: Annotated[
        list[Path] | None,
        typer.Option("--import", help="Batch output, JSONL or KernelBench folder with replies to keep."),
    ] = None,
    renames: Annotated[
        list[str] | None,
        typer.Option("--map", help="Problem of an imported file as OTHER=OURS; may be given again."),
    ] = None,
    batch_file: Annotated[
        Path | None, typer.Option(help="Write the requests in OpenAI Batch form, and ask nobody.")
    ] = None,
    replay_run: Annotated[
        str | None, typer.Option("--replay", help="Give the replies of that run again, and ask nobody.")
    ] = None,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a reply.")] = False,
) -> int:
    """Ask models, keep every raw reply; the same command again asks only for what is missing."""
    if replay_run is not None:
        return replay(replay_run, store, as_json=as_json)
    if import_paths:
        named = {"problem": problem, "stage": stage, "gpu": gpu, "model": model}
        return import_files(import_paths, named, renames or [], store, as_json=as_json)
    prompt = _prompt(
        problem, stage, gpu, _Beside(code, metrics, feedback, history, store, resources=resources)
    )
    given = {
        "model": model,
        "base_url": base_url,
        "key_env": key_env,
        "api": api,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_reply_tokens,
        "reasoning_effort": reasoning_effort,
        "n": n,
        "price": _price(price),
        "timeout_s": timeout,
        "max_retries": max_retries,
        "concurrency": concurrency,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "stream": stream,
    }
    limits = {"max_cost": max_cost, "max_tokens": max_tokens, "max_calls": max_calls}
    purchase = _purchase(config, given, limits)
    orders = [Order(spec=spec, prompts=(prompt,), samples=tuple(range(samples))) for spec in purchase.models]
    if batch_file is not None:
        return write_batch(orders, batch_file, store)
    if dry_run_only:
        return dry_run(orders, store, fresh=fresh, as_json=as_json)
    return ask(orders, purchase.budget, store, fresh=fresh, as_json=as_json)


class _Beside(NamedTuple):
    """What the options say of the prompt beside problem, stage and GPU."""

    code: Path | None
    metrics: Path | None
    feedback: str | None
    history: str | None
    store: Path
    resources: bool


def _prompt(problem: str | None, stage: str | None, gpu: str | None, beside: _Beside) -> Prompt:
    if problem is None:
        raise typer.BadParameter("name the problem that is asked about", param_hint="PROBLEM")
    if stage is None:
        raise typer.BadParameter("name the stage of the prompt", param_hint="--stage")
    if gpu is None:
        raise typer.BadParameter("name the GPU of the prompt", param_hint="--gpu")
    given = Sources(*beside[:-1], looked_at(problem, gpu) if beside.resources else None)
    wanted = load_stage(stage)
    return render_prompt(
        problem=load_problem(problem),
        stage=wanted,
        gpu=load_gpu(gpu),
        code=given.code_for(wanted),
        metrics=given.metrics,
        feedback=given.feedback,
        history=given.history,
    )


def _purchase(
    config: Path | None, given: Mapping[str, object], limits: Mapping[str, float | None]
) -> Purchase:
    if (config is None) == (given["model"] is None):
        raise typer.BadParameter("name a model, or a file of models with --config", param_hint="--model")
    stated = {name: value for name, value in limits.items() if value is not None}
    if config is not None:
        found = read_purchase(config)
        budget = validated(Budget, found.budget.model_dump() | stated, Path("collect"))
        found = found.model_copy(update={"budget": budget})
    else:
        spec = validated(ModelSpec, with_list_price(given, "--price list"), Path("collect"))
        found = Purchase(models=(spec,), budget=validated(Budget, stated, Path("collect")))
    unpriced = [spec.shown for spec in found.models if spec.price is None]
    if found.budget.max_cost is not None and unpriced:
        raise UsageError(f"--max-cost needs the price of {unpriced[0]}: add --price INPUT,OUTPUT or `price`")
    return found


def _price(text: str | None) -> dict[str, float] | str | None:
    if text is None or text == LIST:
        return text
    try:
        values = [float(part) for part in text.split(",")]
        return dict(zip(("input", "output", "cached_input")[: max(2, len(values))], values, strict=True))
    except ValueError as error:
        raise UsageError(f"--price {text}: give INPUT,OUTPUT[,CACHED_INPUT], or list") from error
