"""Candidates that are the same code apart from comments and formatting: they are judged once."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from hashlib import sha256

from eval.records import RulesMode, Verdict, Violation
from eval.rules import check_code, static_verdict
from eval.stage.check import check_stage
from eval.stage.records import StageRules

Place = tuple[int, int]


def meaning(
    code: str, mode: RulesMode, rules: StageRules | None = None, current: str | None = None
) -> str | None:
    """Return a hash that candidates share where one verdict is right for all of them.

    It covers the syntax tree, docstrings included, and all that the rules say of the text but for
    the places. With rules off nothing keeps a candidate from reading its own text, so that is all
    that counts. None: the rules refuse it, which needs no runner, or it is nested too deeply.
    """
    if mode == "off":
        return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
    report = check_code(code, mode=mode)
    if static_verdict(report) is not None:
        return None
    try:
        tree = ast.dump(ast.parse(code))
    except (RecursionError, MemoryError):
        return None
    stage = check_stage(code, current, rules) if rules is not None else None
    said = [_placeless(report.violations), _placeless(stage.violations) if stage is not None else []]
    undecided = stage.undecided if stage is not None else ()
    return sha256(f"{tree}\0{said}\0{undecided}".encode("utf-8", "surrogatepass")).hexdigest()


def _placeless(violations: Sequence[Violation]) -> list[tuple[str, str, str, str]]:
    return sorted((found.track, found.severity, found.rule, found.message) for found in violations)


def shared(verdict: Verdict, code: str, twin: str) -> Verdict | None:
    """Return the verdict on `code` as the verdict on its twin, with the twin's places.

    None where a violation lies at a place that cannot be found again in the twin.
    """
    moved = _moved(verdict.violations, code, twin)
    if moved is None:
        return None
    return verdict.model_copy(
        update={
            "violations": moved, "seconds": 0.0, "duplicate_of": _hash(code), "candidate_hash": _hash(twin),
        }
    )  # fmt: skip


def _hash(code: str) -> str:
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _moved(violations: Sequence[Violation], code: str, twin: str) -> tuple[Violation, ...] | None:
    if code == twin or not violations:
        return tuple(violations)
    if not (code.isascii() and twin.isascii()):
        # Columns of violations count characters, those of the tree bytes.
        return None
    places: dict[Place, Place] = {}
    for here, there in zip(_places(code), _places(twin), strict=True):
        places.setdefault(here, there)
    moved = []
    for found in violations:
        place = places.get((found.line, found.column or 0)) if found.line is not None else None
        if place is None and found.line is not None:
            return None
        line, column = place or (None, found.column)
        moved.append(found.model_copy(update={"line": line, "column": column}))
    return tuple(moved)


def _places(code: str) -> list[Place]:
    nodes = ast.walk(ast.parse(code))
    return [(node.lineno, node.col_offset) for node in nodes if isinstance(node, _Placed)]


_Placed = (ast.stmt, ast.expr, ast.excepthandler, ast.arg, ast.keyword, ast.alias, ast.pattern)
