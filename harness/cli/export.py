"""``kernel-harness export``: attempts for other tools and for training, or one as a bundle of evidence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from eval.records import Record, Track
from harness.cli.export_tables import Selection, write_bundle_of, write_table, write_tasks
from harness.cli.exported import ExportedAttempt, TrainingExample, exported, training_example
from harness.errors import EnvironmentFailure
from harness.exports import FORMS
from harness.records import Attempt, Prompt
from harness.store import Store


def command(
    form: Annotated[
        Literal["jsonl", "sft", "csv", "parquet", "kernelbench", "harbor"],
        typer.Option(
            "--format",
            help="jsonl: every attempt in full; sft: prompts with replies that passed; csv, parquet: a flat"
            " row an attempt; kernelbench: its eval_results.json; harbor: a task folder a problem.",
        ),
    ] = "jsonl",
    bundle: Annotated[
        str | None,
        typer.Option(metavar="ID", help="One attempt, with all that judging it again needs, into a folder."),
    ] = None,
    run: Annotated[str | None, typer.Option(help="Only attempts of this run.")] = None,
    problem: Annotated[str | None, typer.Option(help="Only attempts at this problem.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only attempts at this stage.")] = None,
    model: Annotated[str | None, typer.Option(help="Only attempts of this model.")] = None,
    gpu: Annotated[str, typer.Option(help="GPU of the prompt, for harbor.")] = "h100",
    track: Annotated[Track, typer.Option(help="Track on which a reply has to pass, for sft.")] = "open",
    output: Annotated[Path | None, typer.Option(help="File to write; stdout if not given.")] = None,
    schema: Annotated[bool, typer.Option(help="Print the JSON Schema of a line, and nothing else.")] = False,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
) -> None:
    """Write attempts as lines of JSON; what was struck from scores is left out of sft."""
    if bundle is not None:
        write_bundle_of(store, bundle, output)
        return
    if form == "harbor":
        write_tasks(problem, stage, gpu, output)
        return
    if form in FORMS:
        write_table(store, form, Selection(run=run, problem=problem, stage=stage, model=model), output)
        return
    if schema:
        record: type[Record] = ExportedAttempt if form == "jsonl" else TrainingExample
        sys.stdout.write(json.dumps(record.model_json_schema(), indent=2) + "\n")
        return
    with Store(store, read_only=True) as opened:
        attempts = opened.attempts(
            run=run, problem=problem, stage=stage, model=model, include_void=form == "jsonl"
        )
        lines = _Lines(opened, attempts, track)
        _write(lines.attempts() if form == "jsonl" else lines.examples(), output)
    if lines.left_out:
        sys.stderr.write(
            f"{lines.left_out} passing replies were left out: the store has no prompt of theirs\n"
        )


class _Lines:
    """Lines of a store's attempts; a prompt is read once."""

    def __init__(self, store: Store, attempts: Iterator[Attempt], track: Track) -> None:
        self._store, self._attempts, self._track = store, attempts, track
        self._prompts: dict[str, Prompt | None] = {}
        self.left_out = 0

    def attempts(self) -> Iterator[str]:
        for attempt in self._attempts:
            record = exported(attempt, self._store.reply_of(attempt.id), self._prompt(attempt))
            yield record.model_dump_json()

    def examples(self) -> Iterator[str]:
        seen: set[tuple[str, str]] = set()
        for attempt in self._attempts:
            if attempt.verdict is None or not getattr(attempt.verdict.tracks, self._track):
                continue
            prompt = self._prompt(attempt)
            if prompt is None:
                self.left_out += 1
            elif (what := (prompt.hash, attempt.reply.text)) not in seen:
                seen.add(what)
                yield training_example(attempt, prompt).model_dump_json()

    def _prompt(self, attempt: Attempt) -> Prompt | None:
        name = attempt.reply.prompt_hash
        if name is None:
            return None
        if name not in self._prompts:
            self._prompts[name] = self._store.prompt(name)
        return self._prompts[name]


def _write(lines: Iterator[str], output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise EnvironmentFailure(f"{output}: cannot write there: {error.strerror}") from error
