"""NVIDIA's compute-sanitizer on this machine."""

from __future__ import annotations

from pathlib import Path

from eval.records import Record
from harness.machine.installed import find_tool, tool_version

_USUAL_PLACES = (
    "usr/local/cuda*/bin/compute-sanitizer",
    "usr/local/cuda*/compute-sanitizer/compute-sanitizer",
    "opt/cuda*/bin/compute-sanitizer",
)


class Sanitizer(Record):
    """What is known of ``compute-sanitizer`` without running it on a kernel."""

    path: str | None = None
    version: str | None = None


def sanitizer(root: Path = Path("/"), search: str | None = None) -> Sanitizer:
    """Look for it, on PATH first; `root` is where the usual places lie, `search` replaces PATH."""
    path = find_tool("compute-sanitizer", _USUAL_PLACES, root, search)
    return Sanitizer(path=path, version=tool_version(path) if path else None)
