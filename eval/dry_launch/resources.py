"""Registers and stack of a compiled kernel, as NVIDIA's own ``cuobjdump`` reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

_USAGE = re.compile(r"REG:(\d+) STACK:(\d+)")
_SECONDS = 20


class Resources(NamedTuple):
    """What one thread takes; None where the tool is missing."""

    registers: int | None
    stack_bytes: int | None


def resources(cubin: bytes, scratch: Path) -> Resources:
    """Read a binary with one entry point."""
    tool = _tool()
    if tool is None:
        return Resources(None, None)
    path = scratch / "kernel.cubin"
    path.write_bytes(cubin)
    done = subprocess.run(
        [tool, "-res-usage", path], capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    found = _USAGE.search(done.stdout)
    return Resources(int(found[1]), int(found[2])) if found else Resources(None, None)


def _tool() -> str | None:
    from triton import knobs

    try:
        tool: Any = knobs.nvidia.cuobjdump
    except RuntimeError:
        return None
    return str(tool.path)
