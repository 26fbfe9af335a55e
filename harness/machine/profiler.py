"""Nsight Compute on this machine: where it is, and whether this user may read the GPU's counters."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from eval.records import Record

_USUAL_PLACES = ("opt/nvidia/nsight-compute/*/ncu", "usr/local/cuda*/bin/ncu")
_SECONDS = 30
_ADMIN_ONLY = re.compile(r"^RmProfilingAdminOnly:\s*([01])", re.MULTILINE)


class Profiler(Record):
    """What is known of ``ncu`` without running it on a kernel."""

    path: str | None = None
    version: str | None = None
    permitted: bool | None = None
    """Whether the driver lets this user read the counters; None where it does not say."""


def profiler(root: Path = Path("/"), search: str | None = None) -> Profiler:
    """Look for Nsight Compute, on PATH first, and ask it and the driver.

    `root` is where the usual places and /proc lie; `search` replaces PATH.
    """
    path = shutil.which("ncu", path=search) or next(_installed(root), None)
    return Profiler(
        path=path,
        version=_version(path) if path else None,
        permitted=_permitted(root / "proc/driver/nvidia/params"),
    )


def _installed(root: Path) -> Iterator[str]:
    for pattern in _USUAL_PLACES:
        for found in sorted(root.glob(pattern), reverse=True):
            if os.access(found, os.X_OK):
                yield str(found)


def _version(path: str) -> str | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"Version (\S+)", answer.stdout)
    return found[1] if found else None


def _permitted(parameters: Path) -> bool | None:
    """Read the driver's setting; where only administrators may, root counts as one.

    A container's root may lack the power all the same, which only a run of ``ncu`` shows.
    """
    try:
        found = _ADMIN_ONLY.search(parameters.read_text())
    except OSError:
        return None
    return found and (found[1] == "0" or os.geteuid() == 0)
