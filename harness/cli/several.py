"""Options that name many problems: a folder of them, and dtypes to cast them to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.files import nearest
from harness.kernelbench import find_problem, problem_paths
from harness.problems import DTYPES, ProblemFolder, load_problem
from harness.records import Reply


def dtype_words(dtype: str | None) -> tuple[str, ...]:
    """Return the words of ``--dtype``, none without it.

    Raises `UsageError`: a word that is no dtype.
    """
    words = tuple(word.strip() for word in dtype.split(",")) if dtype else ()
    for word in words:
        if word not in DTYPES:
            raise UsageError(f"--dtype {word}: there is no such dtype{nearest(word, DTYPES)}")
    return words


def words_for(names: Sequence[str], folder: Path | None, dtype: str | None) -> list[str]:
    """Return what `load_problem` takes for each name and each problem of a folder, in every dtype."""
    words = [*names, *(map(str, problem_paths(folder)) if folder else ())]
    casts = dtype_words(dtype)
    return [f"{word}@{cast}" for word in words for cast in casts] if casts else words


def load_several(words: Sequence[str]) -> list[ProblemFolder]:
    """Read problems; of several, those that cannot be read are named on stderr and left out.

    Raises `UsageError`: none of them can be read.
    """
    loaded: list[ProblemFolder] = []
    faults: list[str] = []
    for word in words:
        try:
            loaded.append(load_problem(word))
        except UsageError as error:
            faults.append(str(error))
    if faults and not loaded:
        raise UsageError("\nerror: ".join(faults))
    for fault in faults:
        sys.stderr.write(f"skipped: {fault}\n")
    return loaded


def directed(
    replies: Iterable[Reply], problem: str | None, folder: Path | None, dtype: str | None
) -> list[Reply]:
    """Return the replies with the problem that each is judged on, once for each dtype.

    A reply names a problem of the folder by its file's name or number. Those whose problem cannot be
    read are named on stderr and left out.
    Raises `UsageError`: a reply names no problem, or no problem can be read.
    """
    paths = problem_paths(folder) if folder else ()
    casts = dtype_words(dtype) or ("",)
    faults: dict[str, str] = {}
    made: list[Reply] = []
    for reply in replies:
        word = _word(reply, problem, paths)
        for cast in casts:
            if cast or paths:
                wanted = f"{word}@{cast}" if cast else word
                made.append(reply.model_copy(update={"problem": wanted}))
            else:
                made.append(reply)
        if word not in faults:
            faults[word] = _fault(word)
    kept = [reply for reply in made if not faults[_bare(reply.problem or problem or "", casts)]]
    said = [fault for fault in faults.values() if fault]
    if said and not kept:
        raise UsageError("\nerror: ".join(said))
    for fault in said:
        sys.stderr.write(f"skipped: {fault}\n")
    return kept


def _word(reply: Reply, problem: str | None, paths: tuple[Path, ...]) -> str:
    word = reply.problem or problem
    if word is None:
        raise UsageError(f"{reply.source}: names no problem; add --problem NAME")
    found = find_problem(paths, word)
    return str(found) if found is not None else word


def _bare(word: str, casts: Sequence[str]) -> str:
    head, _, tail = word.rpartition("@")
    return head if tail and tail in casts else word


def _fault(word: str) -> str:
    try:
        load_problem(word)
    except UsageError as error:
        return str(error)
    return ""
