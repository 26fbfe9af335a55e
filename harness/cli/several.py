"""Options that name many problems: a folder of them, and dtypes to cast them to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.files import nearest
from harness.kernelbench import find_problem, has_number, is_numbered, problem_paths
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

    A reply names a problem of the folder by its file's name or number; without a folder, `Meant` says which
    it means. Those whose problem cannot be read, or is not asked for, are named on stderr and left out.
    Raises `UsageError`: a reply names no problem, or no problem can be read.
    """
    paths = problem_paths(folder) if folder else ()
    casts = dtype_words(dtype) or ("",)
    meant, faults = Meant(problem), dict[str, str]()
    made: list[Reply] = []
    for reply in replies if paths else meant.named(replies):
        word = _in_folder(reply, problem, paths) if paths else reply.problem or ""
        made += [reply.model_copy(update={"problem": f"{word}@{cast}" if cast else word}) for cast in casts]
        if word not in faults:
            faults[word] = _fault(word)
    kept = [reply for reply in made if not faults[_bare(reply.problem or "", casts)]]
    said = [fault for fault in faults.values() if fault]
    if said and not kept:
        raise UsageError("\nerror: ".join(said))
    for fault in said:
        sys.stderr.write(f"skipped: {fault}\n")
    return kept


class Meant:
    """Which problem each reply means: the one that it names, else that of ``--problem``.

    Runs of KernelBench call a problem by level and number, which is no name here. With ``--problem`` they
    mean that one: where it has a number of its own, those of that number, else all, if they are of one.
    """

    def __init__(self, problem: str | None) -> None:
        """`problem` is that of ``--problem``."""
        self._problem = problem
        self._number: str | None = None
        self._left_out: set[str] = set()

    def named(self, replies: Iterable[Reply]) -> Iterator[Reply]:
        """Yield the replies on what is asked for, each with its problem's name or path.

        Raises `UsageError`: a reply names no problem, ``--problem`` cannot stand for all, or none is left.
        """
        some = False
        for reply in replies:
            word = self._word(reply)
            if word is not None:
                some = True
                yield reply.model_copy(update={"problem": word})
        if self._left_out and not some:
            raise UsageError(f"no reply is on {self._problem}")

    def _word(self, reply: Reply) -> str | None:
        if reply.problem is None and self._problem is None:
            raise UsageError(f"{reply.source}: names no problem; add --problem NAME")
        if reply.problem is None or self._problem is None or not is_numbered(reply.problem):
            return reply.problem or self._problem
        asked = Path(self._problem)
        if has_number(asked):
            if find_problem((asked,), reply.problem) is not None:
                return self._problem
            self._leave(reply.problem)
            return None
        self._number = self._number or reply.problem
        if reply.problem != self._number:
            raise UsageError(
                f"{reply.source}: answers {reply.problem}, files before it {self._number}: {self._problem} "
                "cannot be both. Name a file with a number, such as level1/92_x.py, or judge them with "
                "`eval --problems FOLDER`"
            )
        return self._problem

    def _leave(self, problem: str) -> None:
        if problem not in self._left_out:
            self._left_out.add(problem)
            sys.stderr.write(f"skipped: {problem}, which is not {self._problem}\n")


def _in_folder(reply: Reply, problem: str | None, paths: tuple[Path, ...]) -> str:
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
