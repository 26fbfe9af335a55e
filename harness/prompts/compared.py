"""What differs between two prompts: the sources that they were made from, and their text line by line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from eval.records import Record
from harness.records import Prompt


class PromptDiff(Record):
    """Two prompts, side by side."""

    hashes: tuple[str, str]
    sources: dict[str, tuple[str | None, str | None]]
    """Hashes of each source that differs; None where a prompt has no such source."""
    lines: tuple[str, ...]
    """Unified diff of the texts; empty where they are equal."""

    @property
    def same(self) -> bool:
        """Tell whether the texts are equal, byte for byte."""
        return self.hashes[0] == self.hashes[1]


def compared(one: Prompt, other: Prompt, names: tuple[str, str] = ("A", "B")) -> PromptDiff:
    """Compare two prompts. A prompt that was read from a text file has no sources to compare."""
    known = one.sources and other.sources
    keys = [*one.sources, *(name for name in other.sources if name not in one.sources)] if known else []
    pairs = {name: (one.sources.get(name), other.sources.get(name)) for name in keys}
    return PromptDiff(
        hashes=(one.hash, other.hash),
        sources={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
        lines=tuple(
            line.rstrip("\n")
            for line in unified_diff(one.text.splitlines(), other.text.splitlines(), *names, lineterm="", n=2)
        ),
    )


def spoken(diff: PromptDiff) -> Iterator[str]:
    """Yield the lines that a person reads."""
    if diff.same:
        yield f"the same prompt ({diff.hashes[0][:12]})"
        return
    yield f"prompts {diff.hashes[0][:12]} and {diff.hashes[1][:12]}"
    for name, pair in diff.sources.items():
        before, after = (value[:12] if value else "none" for value in pair)
        yield f"{name}: {before} -> {after}"
    yield from diff.lines
