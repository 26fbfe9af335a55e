"""Why a reply gives no candidate, in words that name the kind of trouble first."""

from __future__ import annotations

import re

from harness.extract.markdown import Block, Reading
from harness.extract.python import CODE_LINE, CODE_START, MODEL

MAX_REPLY_CHARS = 1_000_000
"""Longer replies are not read; models stop at about half of it, reasoning included."""
MAX_REPLY_LINES = 50_000
_DIFF = frozenset({"diff", "patch", "udiff"})
_DIFF_LINE = re.compile(r"^(?:@@ .*@@|diff --git |--- \S|\+\+\+ \S|[-+]\s*class\s+ModelNew\b)", re.MULTILINE)


def unreadable(text: str) -> str | None:
    """Say why a text is not read at all; None where it is."""
    if not text or text.isspace():
        return "empty: the reply has no text"
    if len(text) > MAX_REPLY_CHARS:
        return f"too long: the reply has {len(text)} characters; at most {MAX_REPLY_CHARS} are read"
    if text.count("\n") > MAX_REPLY_LINES:
        return f"too long: the reply has more than {MAX_REPLY_LINES} lines"
    if "\0" in text:
        return "not text: the reply holds NUL characters"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not text: the reply holds characters that no text has (lone surrogates)"
    return None


def why_not(fences: list[Block], usable: list[Block], reading: Reading) -> str:
    """Say why a reply without a usable block that defines ModelNew has no candidate."""
    if reading.unfinished_thinking:
        return "truncated: the reply ends within its reasoning"
    diffs = [block for block in fences if block.language in _DIFF or _is_diff(block.content)]
    if diffs or (not fences and _is_diff(reading.rest)):
        return "diff: the reply gives changes; it must give the whole file"
    return _fenced(fences, usable) if fences else _unfenced(reading.rest)


def _fenced(fences: list[Block], usable: list[Block]) -> str:
    if not usable:
        languages = ", ".join(sorted({block.language for block in fences}))
        return f"no code: the reply's code blocks are not Python ({languages})"
    if not any(block.content.strip() for block in usable):
        return "no code: the reply's code block is empty"
    which = (
        f"none of the {len(usable)} Python blocks defines" if len(usable) > 1 else "its block does not define"
    )
    return f"no ModelNew: {which} `class ModelNew`"


def _unfenced(rest: str) -> str:
    if not rest.strip():
        return "reasoning only: the reply holds nothing after its reasoning"
    if "\ufffd" in rest:
        return "not text: the reply holds bytes that are not UTF-8, and no code"
    if CODE_START.match(rest) and CODE_LINE.search(rest):
        return "no ModelNew: the reply is code without `class ModelNew`"
    return "prose only: the reply has no code block"


def _is_diff(text: str) -> bool:
    return _DIFF_LINE.search(text) is not None and not MODEL.search(text)
