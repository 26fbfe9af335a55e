"""A candidate's text, parsed and walked over once for all who look at it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import lru_cache

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.source import MAX_DEPTH, parse, unparsable
from eval.rules.walk import TooDeepError, collect


@lru_cache(maxsize=4)
def read(code: str) -> Candidate | Violation:
    """Return the candidate, or the violation that says why its text cannot be read.

    The last few are kept: the rules of output, of a stage and the hash of twins look at the same text.
    """
    try:
        with _uncollected():
            tree = parse(code)
            return tree if isinstance(tree, Violation) else Candidate(collect(code, tree))
    except TooDeepError:
        return unparsable(f"the code is nested more than {MAX_DEPTH} levels deep; flatten it")


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector: a tree is thousands of new objects, and none of them is garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
