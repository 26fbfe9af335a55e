"""Which files of this project no runner may read."""

from __future__ import annotations

from pathlib import Path

_NAMES = (
    "eval", "harness", "prompts", "reference_solutions", "tests", "docs", "examples", "bench", ".git",
)  # fmt: skip


def hidden_paths() -> tuple[str, ...]:
    """Everything of ours that a runner may not read: it was loaded before, or is none of its business."""
    root = Path(__file__).resolve().parent.parent.parent
    return tuple(str(root / name) for name in _NAMES if (root / name).exists())
