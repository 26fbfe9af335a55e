"""Which files of a folder are replies, and in what order."""

from __future__ import annotations

import re
from pathlib import Path
from string import digits

from harness.errors import UsageError

REPLIES = (".md", ".txt")
CODE = (".py",)
_NOT_REPLIES = {"readme", "catalogue", "index"}


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key that puts ``a_2`` before ``a_10``, and numbers before letters."""
    parts = filter(None, re.split(r"([0-9]+)", path.name))
    return [(False, int(part), "") if part[0] in digits else (True, 0, part) for part in parts]


def reply_files(folder: Path, suffixes: tuple[str, ...] = REPLIES + CODE) -> list[Path]:
    """Return the folder's replies in natural order, without its README, CATALOGUE, index and hidden files.

    Raises `UsageError` where the folder cannot be listed.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: cannot list it: {error.strerror}") from error
    files = (path for path in entries if path.suffix.lower() in suffixes and path.is_file())
    return sorted(filter(_is_reply, files), key=natural_key)


def decode(content: bytes) -> tuple[str, bool]:
    """Return the text of a file, and whether bytes that are not UTF-8 had to be replaced."""
    try:
        return content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return content.decode("utf-8-sig", "replace"), True


def _is_reply(path: Path) -> bool:
    return not path.name.startswith(".") and path.stem.lower() not in _NOT_REPLIES
