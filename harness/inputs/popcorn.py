"""The ``#!POPCORN`` lines at the head of a GPU MODE submission: which leaderboard, which GPU.

Two lines are understood: ``#!POPCORN leaderboard NAME`` and ``#!POPCORN gpu NAME [NAME…]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from eval.records import Record

_LINE = re.compile(r"#!\s*POPCORN\s+(leaderboard|gpus?)\s+(.+)", re.IGNORECASE)
_HEAD_LINES = 50


class Header(Record):
    """What the head of a submission says."""

    leaderboard: str | None = None
    gpus: tuple[str, ...] = ()

    def problem(self, known: Iterable[str]) -> str | None:
        """Return the problem of that leaderboard: the same name but for case, hyphens and a language."""
        if self.leaderboard is None:
            return None
        wanted = _plain(self.leaderboard)
        return next((name for name in known if _plain(name) == wanted), None)


def read_header(code: str) -> Header | None:
    """Return what a submission says of itself; None where there is no such line before the code."""
    leaderboard, gpus = None, []
    for line in code.split("\n", _HEAD_LINES)[:_HEAD_LINES]:
        if line.strip() and not line.startswith("#"):
            break
        found = _LINE.match(line.strip())
        if found is None:
            continue
        if found[1].lower() == "leaderboard":
            leaderboard = leaderboard or found[2].strip()
        else:
            gpus += re.split(r"[\s,]+", found[2].strip())
    if leaderboard is None and not gpus:
        return None
    return Header(leaderboard=leaderboard, gpus=tuple(gpus))


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]+", "_", name.strip().lower()).removesuffix("_py").removesuffix("_triton")
