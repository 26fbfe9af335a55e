"""Every bullet of a stage's body says which rule it stands for, or that it is advice.

A bullet ends in ``<!-- rule: ID -->`` or ``<!-- advice -->``, which prompts do not show. A bullet bound to a
rule takes its numbers from the rule, and each rule is said by a bullet: what is demanded is what is enforced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from eval.records import Record
from eval.stage.records import StageRule
from harness.errors import UsageError
from harness.files import nearest

BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+(?P<text>.*)")
MARK = re.compile(r"[ \t]*<!-- *(?:rule: *(?P<rule>\w+)|advice) *-->[ \t]*$", re.MULTILINE)
EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
NUMBER = re.compile(r"(?<![\w-])\d+(?:\.\d+)?(?![\w-])")
HEAD = {"scope": "scope", "acceptance": "acceptance.min_gain"}
"""What stands at the head of the front matter, and how a bullet renders it; a bullet may name it or not."""


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


def check_bullets(body: str, first_line: int, path: Path, rules: Mapping[str, StageRule]) -> None:
    """Refuse a body whose bullets and rules do not match.

    Raises `UsageError`: a bullet without a mark, with an unknown rule or with a number of its own, or a
    rule that no bullet says, or not in full.
    """
    said: dict[str, str] = {}
    for bullet in bullets(body, first_line, path):
        if bullet.rule is None:
            continue
        said[bullet.rule] = said.get(bullet.rule, "") + bullet.text
        place = f"{path}, line {bullet.line}"
        if bullet.rule not in (*rules, *HEAD):
            raise UsageError(f"{place}: no rule {bullet.rule!r}{nearest(bullet.rule, (*rules, *HEAD))}")
        number = NUMBER.search(EXPRESSION.sub("", bullet.text))
        if number:
            raise UsageError(f"{place}: take {number[0]} from the rule, as in {{{{ rules.{bullet.rule} }}}}")
    for name, expression in HEAD.items():
        if name in said and expression not in "".join(EXPRESSION.findall(said[name])):
            raise UsageError(f"{path}: {name}: its bullet must render {{{{ {expression} }}}}")
    for name, rule in rules.items():
        _check_said(f"{path}: rules.{name}", name, rule, said.get(name))


def _check_said(place: str, name: str, rule: StageRule, text: str | None) -> None:
    if text is None:
        raise UsageError(f"{place}: no bullet says it; a rule that is not said is not enforced")
    for field in rule.numbers:
        if f"rules.{name}.{field}" not in "".join(EXPRESSION.findall(text)):
            raise UsageError(f"{place}: its bullet must render {{{{ rules.{name}.{field} }}}}")
    for field in rule.names:
        for word in _names(getattr(rule, field)):
            if word not in EXPRESSION.sub("", text).lower():
                raise UsageError(f"{place}: its bullet must name {word!r}")


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the words in small letters; of a pattern such as ``BLOCK_*`` only its beginning."""
    values = (value,) if isinstance(value, str) else value
    return tuple(word.partition("*")[0].rstrip("_").lower() for word in values)
