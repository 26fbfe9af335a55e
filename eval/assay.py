"""What attacking a problem showed: records that cross from the judge's side. Nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from eval.base import Record

Outcome = Literal["refused", "accepted", "skipped"]


class AttackResult(Record):
    """How a problem stood up to one wrong way of answering."""

    attack: str
    outcome: Outcome
    """``skipped`` where the attack gives the right answer by construction."""
    detail: str | None = None


class Assay(Record):
    """One problem under attack."""

    problem: str
    hash: str
    status: Literal["sound", "quarantined", "skipped"]
    """``quarantined``: it accepts a wrong answer, or refuses its own; ``skipped``: it cannot be judged."""
    reason: str | None = None
    cases: tuple[str, ...] = ()
    """Names of the cases that decide."""
    variants: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    """Kinds of contents that decide."""
    weights: int = 0
    """Elements of all parameters, on the largest of the cases."""
    stateful: bool = False
    attacks: tuple[AttackResult, ...] = ()
    seconds: float = 0.0
