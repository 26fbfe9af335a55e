"""Replies that somebody already has: files, folders, JSONL, OpenAI Batch output, KernelBench runs.

Reads and names them, no more: nothing is taken out of a reply here, and nothing is stored.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import Field

from eval.records import Record
from harness.errors import UsageError
from harness.files import validated
from harness.records import Reply
from harness.reply_files import CODE, REPLIES, decode, natural_key, reply_files

_OK = 200
LOCAL = "local"
"""Model of a reply that says no other."""

Note = Callable[[str], None]
_KERNELBENCH = re.compile(r"level_(\d+)_problem_(\d+)_sample_(\d+)_kernel\.py")


def _say(message: str) -> None:
    sys.stderr.write(f"note: {message}\n")


def read_replies(paths: Iterable[Path | str], *, note: Note = _say) -> Iterator[Reply]:
    """Yield the replies of every path, in the order of the paths; a folder's in natural order.

    A bare file's model is ``local`` and its sample the place in this order. `note` hears of what
    was read with a change, such as bytes that are not UTF-8. Raises `UsageError` at once for a path
    that is none of what can be read, and on reaching a line or a file that cannot be read.
    """
    places = [Path(path) for path in paths]
    for place in places:
        _check(place)
    samples = count()
    return (reply for place in places for reply in _read(place, samples, note))


def _check(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if not path.is_dir() and path.suffix.lower() not in {*REPLIES, *CODE, ".jsonl"}:
        raise UsageError(
            f"{path}: not a reply (.md, .txt), code (.py), lines of replies (.jsonl) or a folder"
        )


def _read(path: Path, samples: Iterator[int], note: Note) -> Iterator[Reply]:
    if path.is_dir():
        yield from _folder(path, samples, note)
    elif path.suffix.lower() == ".jsonl":
        yield from _jsonl(path, note)
    else:
        yield _file(path, next(samples), note)


def _file(path: Path, sample: int, note: Note) -> Reply:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error
    text, replaced = decode(content)
    if replaced:
        note(f"{path}: bytes that are not UTF-8 were replaced")
    return Reply(model=LOCAL, sample=sample, text=text, source=str(path), is_code=path.suffix.lower() in CODE)


def _folder(folder: Path, samples: Iterator[int], note: Note) -> Iterator[Reply]:
    files = reply_files(folder)
    runs = [folder] if any(_KERNELBENCH.fullmatch(path.name) for path in files) else []
    if not files:
        runs = sorted({path.parent for path in folder.glob("*/level_*_kernel.py")}, key=natural_key)
    if runs:
        for run in runs:
            yield from _kernelbench(run, note)
        return
    if not files:
        raise UsageError(f"{folder}: the folder holds no replies ({', '.join(REPLIES + CODE)})")
    for path in files:
        yield _file(path, next(samples), note)


def _kernelbench(run: Path, note: Note) -> Iterator[Reply]:
    """Yield the kernels of one KernelBench run; its name stands for the model, which no file says."""
    for path in reply_files(run, CODE):
        if found := _KERNELBENCH.fullmatch(path.name):
            level, problem, sample = found.groups()
            named = {"model": run.resolve().name, "problem": f"level_{level}_problem_{problem}"}
            yield _file(path, int(sample), note).model_copy(update=named)


class _Line(Record, extra="ignore"):
    """One reply in a JSONL file; what other tools add is passed over."""

    problem: str | None = None
    model: str = LOCAL
    sample: int | None = Field(None, ge=0)
    reply: str | None = None
    code: str | None = None
    stage: str | None = None
    gpu: str | None = None
    code_file: str | None = None
    metrics_file: str | None = None


class _Message(Record, extra="ignore"):
    content: str | None = None


class _Choice(Record, extra="ignore"):
    message: _Message
    finish_reason: str | None = None


class _Body(Record, extra="ignore"):
    choices: tuple[_Choice, ...]
    model: str = LOCAL
    usage: dict[str, Any] | None = None


def _jsonl(path: Path, note: Note) -> Iterator[Reply]:
    samples = count()
    try:
        with path.open("rb") as lines:
            for number, content in enumerate(lines, start=1):
                if content.strip():
                    yield from _line(path, Path(f"{path}#{number}"), content, samples, note)
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error


def _line(path: Path, place: Path, content: bytes, samples: Iterator[int], note: Note) -> Iterator[Reply]:
    text, replaced = decode(content)
    if replaced:
        note(f"{place}: bytes that are not UTF-8 were replaced")
    try:
        data = _encodable(json.loads(text, parse_constant=_refuse))
    except ValueError as error:
        raise UsageError(f"{place}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{place}: the JSON is nested too deep") from error
    if not isinstance(data, dict):
        raise UsageError(f"{place}: give one JSON object a line")
    if "custom_id" in data:
        yield from _batch(place, data, samples, note)
        return
    line = validated(_Line, data, place)
    if (line.reply is None) == (line.code is None):
        raise UsageError(f"{place}: give either reply or code")
    sample = next(samples)
    yield Reply(
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


def _batch(place: Path, data: dict[str, Any], samples: Iterator[int], note: Note) -> Iterator[Reply]:
    """Yield every choice of one line of an OpenAI Batch output; a call that failed there is no reply."""
    response = data.get("response")
    if not isinstance(response, dict) or data.get("error") or response.get("status_code", _OK) != _OK:
        note(f"{place}: call {data['custom_id']!r} failed at the endpoint; it holds no reply")
        return
    body = validated(_Body, response.get("body") or {}, place)
    for choice in body.choices:
        yield Reply(
            model=body.model,
            sample=next(samples),
            text=choice.message.content or "",
            finish_reason=choice.finish_reason,
            usage=body.usage or {},
            source=str(place),
        )


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
