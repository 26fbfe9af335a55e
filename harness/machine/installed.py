"""Where a tool of NVIDIA's is installed on this machine, and which version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 30


def find_tool(name: str, places: Sequence[str], root: Path, search: str | None) -> str | None:
    """Return the path of a program: on PATH (or `search`), else the newest of the patterns below `root`."""
    on_path = shutil.which(name, path=search)
    if on_path is not None:
        return on_path
    found = (str(path) for place in places for path in sorted(root.glob(place), reverse=True))
    return next((path for path in found if os.access(path, os.X_OK)), None)


def tool_version(path: str) -> str | None:
    """Return what the program calls its version; None where it says none."""
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"[Vv]ersion (\S+)", answer.stdout)
    return found[1] if found else None
