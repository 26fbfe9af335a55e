"""Nsight Compute on this machine: where it is, and whether this user may read the GPU's counters."""

from __future__ import annotations

import os
import re
from pathlib import Path

from eval.records import Record
from harness.machine.installed import find_tool, tool_version

_USUAL_PLACES = ("opt/nvidia/nsight-compute/*/ncu", "usr/local/cuda*/bin/ncu")
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
    path = find_tool("ncu", _USUAL_PLACES, root, search)
    return Profiler(
        path=path,
        version=tool_version(path) if path else None,
        permitted=_permitted(root / "proc/driver/nvidia/params"),
    )


def _permitted(parameters: Path) -> bool | None:
    """Read the driver's setting; where only administrators may, root counts as one.

    A container's root may lack the power all the same, which only a run of ``ncu`` shows.
    """
    try:
        found = _ADMIN_ONLY.search(parameters.read_text())
    except OSError:
        return None
    return found and (found[1] == "0" or os.geteuid() == 0)
