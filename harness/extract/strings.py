"""Fences within strings of Python, such as a docstring with an example: they close no code block."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.extract.markdown import Block, read
from harness.extract.python import parsed

_MAX_CLOSERS = 8
_MAX_REREADS = 4


def with_inner_fences(text: str, blocks: list[Block]) -> list[Block]:
    """Return the blocks, those that end within a string replaced by what they are as a whole.

    A block is lengthened only where that makes it Python, and what follows is read anew.
    """
    for _ in range(_MAX_REREADS):
        cut = next((block for block in blocks if _ends_in_a_string(block)), None)
        whole = next(_lengthened(text, cut), None) if cut is not None else None
        if cut is None or whole is None:
            break
        lines = text.split("\n")
        later = read("\n".join([""] * whole.end + lines[whole.end :])).blocks
        blocks = [*(block for block in blocks if block.start < cut.start), whole, *later]
    return blocks


def _ends_in_a_string(block: Block) -> bool:
    if not (block.fence and block.closed and block.is_python) or block.nested:
        return False
    odd = any(block.content.count(quotes) % 2 for quotes in ('"""', "'''"))
    return odd and parsed(block.content) is None


def _lengthened(text: str, block: Block) -> Iterator[Block]:
    lines = text.split("\n")
    closer = re.compile(rf" {{0,3}}{re.escape(block.fence[0])}{{{len(block.fence)},}}[ \t]*\Z")
    ends = (number for number in range(block.end, len(lines)) if closer.match(lines[number]))
    for _, end in zip(range(_MAX_CLOSERS), ends, strict=False):
        content = "\n".join(lines[block.start + 1 : end]) + "\n"
        if parsed(content) is not None:
            yield block._replace(content=content, end=end + 1)
