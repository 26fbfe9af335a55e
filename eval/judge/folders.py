"""The judge's working folder, locked while it is in use, so that the next judge can clear what was left.

A judge that is killed removes nothing. Its lock goes with it, and that is how others know.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from eval.runner.sandbox import remove_folder

_PREFIX = "kernel-harness-"
_LOCK = "lock"


class WorkingFolder:
    """A new folder for this process alone; close it to remove it with all that is in it."""

    def __init__(self) -> None:
        clear_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        unlocked = self.path / "unlocked"
        self._lock = os.open(unlocked, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self.path / _LOCK)

    def subfolder(self) -> Path:
        """Make an empty folder in it."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def close(self) -> None:
        """Remove it; what cannot be removed is left to the next judge."""
        with contextlib.suppress(OSError):
            remove_folder(self.path)
        os.close(self._lock)


def clear_abandoned() -> None:
    """Remove working folders of this user whose judge is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                _clear(folder)


def _clear(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_folder(folder)
    finally:
        os.close(lock)
