"""Which replies a path holds: a file, a folder, lines of JSON, a KernelBench run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from harness.errors import UsageError
from harness.inputs.found import LOCAL, Found, Note
from harness.inputs.jsonl import read_jsonl
from harness.inputs.popcorn import read_header
from harness.problems import problem_names
from harness.records import Reply
from harness.reply_files import CODE, REPLIES, decode, natural_key, reply_files

_KERNELBENCH = re.compile(r"level_(\d+)_problem_(\d+)_sample_(\d+)_kernel\.py")


def _say(message: str) -> None:
    sys.stderr.write(f"note: {message}\n")


def read_replies(paths: Iterable[Path | str], *, note: Note = _say) -> Iterator[Reply]:
    """Yield the replies of every path, in the order of the paths; a folder's in natural order.

    A bare file's model is ``local`` and its sample the place in this order. `note` hears of what
    was read with a change, such as bytes that are not UTF-8, and of calls that failed at the
    endpoint. Raises `UsageError` at once for a path that is none of what can be read, and on
    reaching a line or a file that cannot be read.
    """
    return (found.reply for found in _noted(read_found(paths, note=note), note))


def read_found(paths: Iterable[Path | str], *, note: Note = _say) -> Iterator[Found]:
    """Yield the same with what the files say beside the replies; failed calls are among them."""
    places = [Path(path) for path in paths]
    for place in places:
        _check(place)
    samples = count()
    return (found for place in places for found in _read(place, samples, note))


def _noted(founds: Iterable[Found], note: Note) -> Iterator[Found]:
    for found in founds:
        if found.error is None:
            yield found
        else:
            note(f"{found.reply.source}: {found.error}")


def _check(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if not path.is_dir() and path.suffix.lower() not in {*REPLIES, *CODE, ".jsonl"}:
        raise UsageError(
            f"{path}: not a reply (.md, .txt), code (.py), lines of replies (.jsonl) or a folder"
        )


def _read(path: Path, samples: Iterator[int], note: Note) -> Iterator[Found]:
    if path.is_dir():
        yield from _folder(path, samples, note)
    elif path.suffix.lower() == ".jsonl":
        yield from read_jsonl(path, note)
    else:
        yield Found(reply=_file(path, next(samples), note))


def _file(path: Path, sample: int, note: Note) -> Reply:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error
    text, replaced = decode(content)
    if replaced:
        note(f"{path}: bytes that are not UTF-8 were replaced")
    is_code = path.suffix.lower() in CODE
    reply = Reply(model=LOCAL, sample=sample, text=text, source=str(path), is_code=is_code)
    return reply.model_copy(update=_submitted(path, text, note)) if is_code else reply


def _submitted(path: Path, code: str, note: Note) -> dict[str, str | None]:
    """Return the problem and the GPU that a submission to GPU MODE names in its head."""
    header = read_header(code)
    if header is None:
        return {}
    problem = header.problem(problem_names())
    if problem is None and header.leaderboard is not None:
        note(
            f"{path}: no problem here is called {header.leaderboard!r}, its leaderboard; --problem names one"
        )
    return {"problem": problem, "gpu": header.gpus[0] if header.gpus else None}


def _folder(folder: Path, samples: Iterator[int], note: Note) -> Iterator[Found]:
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
        yield Found(reply=_file(path, next(samples), note))


def _kernelbench(run: Path, note: Note) -> Iterator[Found]:
    """Yield the kernels of one KernelBench run; its name stands for the model, which no file says."""
    for path in reply_files(run, CODE):
        if found := _KERNELBENCH.fullmatch(path.name):
            level, problem, sample = found.groups()
            named = {"model": run.resolve().name, "problem": f"level_{level}_problem_{problem}"}
            yield Found(reply=_file(path, int(sample), note).model_copy(update=named), numbered=True)
