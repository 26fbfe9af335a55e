"""Rule `encoding`: the text that is read is the text that runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.report import violation

RULE = "encoding"
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PLAIN = frozenset({"utf-8", "utf8", "utf_8", "ascii", "us-ascii"})


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield an encoding cookie other than UTF-8, and characters that make text read backwards."""
    code = candidate.module.code
    for number, line in enumerate(code.split("\n", 2)[:2], 1):
        cookie = _COOKIE.match(line)
        if cookie is not None and cookie.group(1).lower() not in _PLAIN:
            yield _at(number, 0, f"the encoding {cookie.group(1)!r}: write UTF-8 and remove this comment")
    if not code.isascii():
        found = _BIDIRECTIONAL.search(code)
        if found is not None:
            before = code[: found.start()]
            column = found.start() - (before.rfind("\n") + 1)
            yield _at(
                before.count("\n") + 1, column, "a character that changes the direction of text: remove it"
            )


def _at(line: int, column: int, message: str) -> Violation:
    return violation(RULE, ast.Pass(lineno=line, col_offset=column), message)
