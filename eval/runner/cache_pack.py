"""A Triton cache as bytes: from the process that compiled ahead to the one that runs the same code.

The bytes come from where a candidate ran. Names are checked and sizes bounded before anything is
written; what the files hold is looked at by nobody but Triton, in that candidate's own runner.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MOST_BYTES = 48 << 20
_MOST_FILES = 8192
_MOST_INDEX_BYTES = 2 << 20
_FOLDER = re.compile(r"[A-Z2-7]{52}")
"""A SHA-256 in base 32, as Triton names what one key holds."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_GROUP = "__grp__"
"""A file that names the others of its folder by their paths, which differ from process to process."""


class _File(NamedTuple):
    folder: str
    name: str
    data: bytes


def pack(cache: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the files of a cache; of those that do not fit, whole folders are left out."""
    index: list[list[str | int]] = []
    parts: list[bytes] = []
    room = most_bytes - _MOST_INDEX_BYTES
    for folder in _folders(cache):
        files = list(_files_in(folder))
        room -= sum(len(file.data) for file in files)
        if room < 0 or len(index) + len(files) > _MOST_FILES:
            break
        index += [[file.folder, file.name, len(file.data)] for file in files]
        parts += [file.data for file in files]
    return json.dumps(index).encode() + b"\n" + b"".join(parts)


def _folders(cache: Path) -> list[Path]:
    """Return the folders in the order in which they were made."""
    if not cache.is_dir():
        return []
    return sorted((one for one in cache.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime_ns)


def _files_in(folder: Path) -> Iterator[_File]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and _FOLDER.fullmatch(folder.name) and _NAME.fullmatch(path.name):
            yield _File(folder.name, path.name, b"" if path.name.startswith(_GROUP) else path.read_bytes())


def unpack(data: bytes, cache: Path) -> int:
    """Write the files into a cache, over none that is there; returns how many keys it then holds.

    Raises:
        ValueError: a name or a size is not what `pack` writes; nothing was written.
        OSError: the disk does not take them.

    """
    by_folder: dict[str, list[_File]] = {}
    for file in _parse(data):
        by_folder.setdefault(file.folder, []).append(file)
    cache.mkdir(parents=True, exist_ok=True)
    for name, files in by_folder.items():
        if not (cache / name).exists():
            _write(cache / name, files)
    return keys(cache)


def received(memory: Any, size: int, cache: Path) -> int:
    """Unpack what the judge left at the start of the shared memory; returns how many keys there are.

    A pack that is not used costs time and nothing else, so none is a failure.
    """
    with contextlib.suppress(ValueError, OSError):
        unpack(memory[:size].cpu().numpy().tobytes(), cache)
    return keys(cache)


def here() -> Path:
    """Return this process's own cache."""
    return Path(os.environ["TRITON_CACHE_DIR"])


def keys(cache: Path) -> int:
    """Count what a cache holds: kernels, each for one specialisation, and launchers."""
    return sum(1 for one in cache.iterdir() if _FOLDER.fullmatch(one.name)) if cache.is_dir() else 0


def _write(folder: Path, files: list[_File]) -> None:
    folder.mkdir()
    names = [file.name for file in files if not file.name.startswith(_GROUP)]
    group = json.dumps({"child_paths": {name: f"{folder}/{name}" for name in names}}).encode()
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for file in files:
            _write_file(place, file.name, group if file.name.startswith(_GROUP) else file.data)
    finally:
        os.close(place)


def _write_file(place: int, name: str, data: bytes) -> None:
    """Write a new file into an open folder: thousands are, while a GPU waits."""
    out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=place)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(out, left) :]
    finally:
        os.close(out)


def _parse(data: bytes) -> list[_File]:
    head, _, _ = data[: _MOST_INDEX_BYTES + 1].partition(b"\n")
    if len(data) > MOST_BYTES or len(head) > _MOST_INDEX_BYTES:
        raise ValueError("more than a cache may hold")
    try:
        index = json.loads(head)
    except RecursionError:
        raise ValueError("an index that is too deep") from None
    if not isinstance(index, list) or len(index) > _MOST_FILES:
        raise ValueError("no index, or one of too many files")
    return list(_cut(index, data, len(head) + 1))


def _cut(index: list[object], data: bytes, start: int) -> Iterator[_File]:
    seen: set[tuple[str, str]] = set()
    at = start
    for row in index:
        if not isinstance(row, list) or [type(item) for item in row] != [str, str, int]:
            raise ValueError("a file that is not a folder, a name and a size")
        folder, name, size = row
        if not _FOLDER.fullmatch(folder) or not _NAME.fullmatch(name) or (folder, name) in seen:
            raise ValueError(f"a name that Triton does not give: {folder[:60]!r} {name[:60]!r}")
        if not 0 <= size <= len(data) - at:
            raise ValueError(f"{name}: not as many bytes as it says")
        seen.add((folder, name))
        yield _File(folder, name, data[at : at + size])
        at += size
    if at != len(data):
        raise ValueError("more bytes than files")
