"""Every bullet of a stage's body says which rule it stands for, or that it is advice.

A bullet ends in ``<!-- rule: ID -->`` or ``<!-- advice -->``, which prompts do not show. A bullet bound to a
rule takes its numbers from the rule, and each rule is said by a bullet: what is demanded is what is enforced.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from eval.records import Record
from harness.errors import UsageError
from harness.files import nearest

BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+(?P<text>.*)")
MARK = re.compile(r"[ \t]*<!-- *(?:rule: *(?P<rule>\w+)|advice) *-->[ \t]*$", re.MULTILINE)
EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
NUMBER = re.compile(r"(?<![\w-])\d+(?:\.\d+)?(?![\w-])")
STAGE_RULES = ("scope", "acceptance")
"""Rules that stand at the head of the front matter; a bullet may name them and need not."""


class Bullet(Record):
    """One bullet of a body."""

    line: int
    """1-based line of the file."""
    text: str
    rule: str | None
    """The rule it is bound to; None for advice."""


def bullets(body: str, first_line: int, path: Path) -> Iterator[Bullet]:
    """Yield the bullets of a body.

    Raises `UsageError`: a bullet that is bound to nothing.
    """
    for number, line in enumerate(body.splitlines(), first_line):
        bullet = BULLET.fullmatch(line)
        if bullet is None:
            continue
        mark = MARK.search(bullet["text"])
        if mark is None:
            raise UsageError(
                f"{path}, line {number}: end the bullet with <!-- rule: ID --> or <!-- advice -->, "
                "so that it is clear what is enforced"
            )
        yield Bullet(line=number, text=bullet["text"][: mark.start()], rule=mark["rule"])


def without_marks(body: str) -> str:
    """Return the body as prompts show it, line for line."""
    return MARK.sub("", body)


def check_bullets(body: str, first_line: int, path: Path, rules: Collection[str]) -> None:
    """Refuse a body whose bullets and rules do not match.

    Raises `UsageError`: a bullet without a mark, with an unknown rule or with a number of its own, or a
    rule that no bullet says.
    """
    said = set()
    for bullet in bullets(body, first_line, path):
        if bullet.rule is None:
            continue
        said.add(bullet.rule)
        place = f"{path}, line {bullet.line}"
        if bullet.rule not in (*rules, *STAGE_RULES):
            raise UsageError(
                f"{place}: no rule {bullet.rule!r}{nearest(bullet.rule, (*rules, *STAGE_RULES))}"
            )
        number = NUMBER.search(EXPRESSION.sub("", bullet.text))
        if number:
            raise UsageError(
                f"{place}: take {number[0]} from the rule, as in {{{{ rules.{bullet.rule}.… }}}}"
            )
    for rule in rules:
        if rule not in said:
            raise UsageError(
                f"{path}: rules.{rule}: no bullet says it; a rule that is not said is not enforced"
            )
