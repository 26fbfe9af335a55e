"""A folder of problems: files in KernelBench's format, and folders with a ``problem.toml``."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UsageError

_NUMBER = re.compile(r"(\d+)(?:_|$)")
_KERNELBENCH = re.compile(r"level_?(\d+)_problem_?(\d+)$")


def problem_paths(folder: Path) -> tuple[Path, ...]:
    """Return every problem below `folder`, numbers in their own order.

    Raises `UsageError`: there is no such folder, or it holds none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    folders = {path.parent for path in folder.rglob("problem.toml")}
    files = {
        path
        for path in folder.rglob("*.py")
        if not path.name.startswith(("_", ".")) and not folders & set(path.parents)
    }
    if not folders | files:
        raise UsageError(f"{folder}: holds no problem: neither a .py file nor a folder with a problem.toml")
    return tuple(sorted(folders | files, key=_order))


def find_problem(paths: tuple[Path, ...], word: str) -> Path | None:
    """Return the problem that a reply calls `word`: a file's name, its number, or ``level_1_problem_92``."""
    for path in paths:
        if word in {path.name, path.stem, str(path)}:
            return path
    found = _KERNELBENCH.match(word)
    level, number = found.groups() if found else (None, word)
    fitting = [
        path for path in paths if _number(path) == number and (level is None or _is_level(path, level))
    ]
    return fitting[0] if len(fitting) == 1 else None


def is_numbered(word: str) -> bool:
    """Tell whether a problem is called by level and number, as KernelBench's runs call it."""
    return _KERNELBENCH.match(word) is not None


def has_number(path: Path) -> bool:
    """Tell whether a problem's file or folder begins with a number."""
    return _number(path) is not None


def _is_level(path: Path, level: str) -> bool:
    named = [part for part in path.parts[:-1] if re.fullmatch(r"level_?\d+", part)]
    return not named or named[-1].lstrip("level_") == level  # noqa: B005 - a set of characters is meant


def _number(path: Path) -> str | None:
    found = _NUMBER.match(path.name)
    return found.group(1) if found else None


def _order(path: Path) -> tuple[str, int, str]:
    number = _number(path)
    return (str(path.parent), int(number) if number else -1, path.name)
