"""Scratch folders as the trusted side sees them: a candidate may have filled them with anything.

Nothing here follows a link out of the folder.
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

_BLOCK_BYTES = 512


def folder_bytes(folder: Path) -> int:
    """Return the disk space that a folder takes; what vanishes or cannot be listed counts nothing."""
    total, waiting = 0, [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total


def remove_folder(folder: Path) -> None:
    """Remove a folder whatever is in it; call it when its runner is gone.

    Folders that were closed to us, or nested deeper than a path can name, are left to `chmod` and
    `rm`. Raises `OSError` where the folder is still there.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        for command in (("chmod", "-R", "u+rwx", "--"), ("rm", "-rf", "--one-file-system", "--")):
            subprocess.run((*command, folder), check=False, capture_output=True)
        if folder.exists():
            raise
