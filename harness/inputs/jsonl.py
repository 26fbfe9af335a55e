"""Lines of JSON: our own form, what other tools write in its place, and OpenAI Batch output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from eval.records import Record
from harness.errors import UsageError
from harness.files import validated
from harness.inputs.batch import read_batch_line
from harness.inputs.found import LOCAL, Found, Note
from harness.records import Reply
from harness.reply_files import decode


def _named(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class _Line(Record, extra="ignore"):
    """One reply; what other tools add is passed over, and their names are taken for ours."""

    problem: str | None = Field(None, validation_alias=_named("problem", "problem_name", "task_id"))
    model: str = Field(LOCAL, validation_alias=_named("model", "model_name"))
    sample: int | None = Field(None, ge=0, validation_alias=_named("sample", "sample_id", "sample_index"))
    reply: str | None = Field(
        None, validation_alias=_named("reply", "response", "completion", "output", "generation")
    )
    code: str | None = None
    stage: str | None = None
    gpu: str | None = None
    code_file: str | None = None
    metrics_file: str | None = None


def read_jsonl(path: Path, note: Note) -> Iterator[Found]:
    """Yield the replies of a file; raise `UsageError` at a line that is none, with its number."""
    samples, empty = count(), True
    try:
        with path.open("rb") as lines:
            for number, content in enumerate(lines, start=1):
                if content.strip():
                    empty = False
                    yield from _line(path, Path(f"{path}#{number}"), content, samples, note)
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error
    if empty:
        raise UsageError(f"{path}: the file holds no replies")


def _line(path: Path, place: Path, content: bytes, samples: Iterator[int], note: Note) -> Iterator[Found]:
    text, replaced = decode(content)
    if replaced:
        note(f"{place}: bytes that are not UTF-8 were replaced")
    data = _parsed(text, place)
    if "custom_id" in data:
        yield from read_batch_line(place, data, samples)
        return
    line = validated(_Line, data, place)
    if (line.reply is None) == (line.code is None):
        raise UsageError(f"{place}: give either reply or code")
    sample = next(samples)
    reply = Reply(
        model=line.model,
        sample=sample if line.sample is None else line.sample,
        text=line.code if line.reply is None else line.reply,  # type: ignore[arg-type]
        source=str(place),
        problem=line.problem,
        stage=line.stage,
        gpu=line.gpu,
        code_file=_beside(path, line.code_file),
        metrics_file=_beside(path, line.metrics_file),
        is_code=line.reply is None,
    )
    yield Found(reply=reply, numbered=line.sample is not None)


def _parsed(text: str, place: Path) -> dict[str, Any]:
    try:
        data = _encodable(json.loads(text, parse_constant=_refuse))
    except ValueError as error:
        raise UsageError(f"{place}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{place}: the JSON is nested too deep") from error
    if not isinstance(data, dict):
        raise UsageError(f"{place}: give one JSON object a line")
    return data


def _beside(path: Path, name: str | None) -> str | None:
    """Return a file's path: beside the one that names it where it is there, as given otherwise."""
    if name is None:
        return None
    beside = path.parent / name
    return str(beside) if beside.exists() else name


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _encodable(value: Any) -> Any:
    """Return the value with escaped half characters replaced, which no UTF-8 file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(entry) for key, entry in value.items()}
    return [_encodable(entry) for entry in value] if isinstance(value, list) else value
