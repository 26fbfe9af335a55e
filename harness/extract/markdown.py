"""A reply as Markdown: its code blocks, by CommonMark, and what was reasoning and does not count.

Two departures, for what models write: a line such as ``<answer>`` opens no HTML block, and ``<think>`` up
to ``</think>`` is dropped (all before a ``</think>`` that nothing opened, all after a ``<think>`` that
nothing closes).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

_TAG = r"<(/?)think(?:ing)?>"
_AT_AN_END = re.compile(rf"\A\s*{_TAG}|{_TAG}\s*\Z", re.IGNORECASE)
_CLOSE = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_NOT_A_WORD = re.compile(r"[^\w+#-]")
_PYTHON = frozenset({"", "python", "py", "python3", "py3", "ipython", "triton"})
_NOT_NEEDED = ["html_block", "reference", "heading", "lheading", "hr"]


class Block(NamedTuple):
    """One code block of a reply."""

    info: str
    """What stands after the opening fence."""
    content: str
    start: int
    """0-based line of the fence, or of the first line where there is no fence."""
    end: int
    """0-based line after the block."""
    closed: bool
    fence: str
    """The opening fence; empty for an indented block."""
    nested: bool
    """True within a list or a quotation."""

    @property
    def language(self) -> str:
        """First word after the fence, in lower case: ``python`` of ``Python title=x`` or ``{.python}``."""
        words = self.info.lower().lstrip("{.").split()
        name = words[0] if words else ""
        return "python" if name.endswith(".py") else _NOT_A_WORD.split(name, maxsplit=1)[0]

    @property
    def is_python(self) -> bool:
        """True where the block says Python, or nothing."""
        return self.language in _PYTHON

    @property
    def first_line(self) -> int:
        """1-based line on which the content begins."""
        return self.start + (2 if self.fence else 1)


class Reading(NamedTuple):
    """A reply, read."""

    blocks: list[Block]
    rest: str
    """The text with the reasoning blanked; its lines are those of the reply."""
    unfinished_thinking: bool


def read(text: str) -> Reading:
    """Return the blocks of a text whose line ends are newlines."""
    source = text if text.endswith("\n") else text + "\n"
    env: dict[str, list[tuple[int, int]] | list[int]] = {
        "dropped": [],
        "closes": [found.start() for found in _CLOSE.finditer(source)],
    }
    tokens = _parser().parse(source, env)
    dropped: list[tuple[int, int]] = env["dropped"]  # type: ignore[assignment]
    after = source.count("\n", 0, max((end for start, end in dropped if start == 0), default=0))
    blocks = [_block(token) for token in tokens if token.type in {"fence", "code_block"} and token.map]
    return Reading(
        [block for block in blocks if block.start >= after],
        _blanked(source, dropped),
        any(end >= len(source) for _, end in dropped),
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.disable(_NOT_NEEDED)
    parser.block.ruler.before("code", "think", _think, {"alt": ["paragraph", "blockquote", "list"]})
    return parser


def _block(token: Token) -> Block:
    start, end = token.map or (0, 0)
    closed = token.type != "fence" or token.content.count("\n") == end - start - 2
    return Block(token.info.strip(), token.content, start, end, closed, token.markup, token.level > 0)


def _blanked(source: str, dropped: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in sorted(dropped):
        begin = max(start, position)
        if end > position:
            parts += [source[position:begin], "\n" * source.count("\n", begin, end)]
            position = end
    return "".join([*parts, source[position:]])


def _think(state: StateBlock, line: int, end_line: int, silent: bool) -> bool:
    begin = state.bMarks[line] + state.tShift[line]
    tag = _AT_AN_END.search(state.src[begin : state.eMarks[line]])
    if tag is None:
        return False
    if silent:
        return True
    if "/" in tag.group():
        stop, last = begin + tag.end(), line
        state.env["dropped"].append((0, stop))
    else:
        stop, last = _closing(state, begin + tag.end(), line, end_line)
        state.env["dropped"].append((begin + tag.start(), stop))
    return _continue_after(state, stop, line, last)


def _closing(state: StateBlock, begin: int, line: int, end_line: int) -> tuple[int, int]:
    """Return where the reasoning that begins here ends: a position, and the line it lies in."""
    closes = state.env["closes"]
    index = bisect_left(closes, begin)
    if index == len(closes) or closes[index] > state.eMarks[end_line - 1]:
        whole = end_line >= state.lineMax
        return (len(state.src) if whole else state.eMarks[end_line - 1]), end_line
    while state.eMarks[line] < closes[index]:
        line += 1
    return state.src.index(">", closes[index]) + 1, line


def _continue_after(state: StateBlock, stop: int, line: int, last: int) -> bool:
    """Let the text behind the tag be read as if its line began there; False where that is this line."""
    if (
        last >= state.lineMax
        or stop >= state.eMarks[last]
        or not state.src[stop : state.eMarks[last]].strip()
    ):
        state.line = min(last + 1, state.lineMax) if last < state.lineMax else last
        return True
    rest = state.src[stop : state.eMarks[last]]
    state.bMarks[last] = stop
    state.tShift[last] = len(rest) - len(rest.lstrip())
    state.sCount[last] = state.blkIndent
    state.line = last
    return last > line
