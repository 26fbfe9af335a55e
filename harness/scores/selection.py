"""Which attempts count, which of them belong together, and which are stale.

Struck attempts and those judged under other than the strict rules count nowhere. Results of another
evaluator or another text of the problem stand on a board of their own: stale is what is not of the
newest one. Of several judgements of one reply on one board the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from eval.records import Record
from harness.records import Facts


class Edition(NamedTuple):
    """What a problem's results must share beside their place."""

    evaluator: str
    problem_hash: str | None


class LeftOut(Record):
    """How many attempts are in no score, and why."""

    voided: int = 0
    other_rules: int = 0
    """Judged with lenient rules or with none: for calibration, never ranked."""
    stale: int = 0
    """Of another evaluator or another text of the problem: on boards of their own."""
    quarantined: int = 0
    """On problems that accept a wrong answer: on boards that are marked."""


def is_counted(facts: Facts) -> bool:
    """Tell whether the attempt belongs in a score."""
    return not facts.void and facts.rules == "strict"


def newest_editions(everything: Iterable[Facts]) -> dict[str, Edition]:
    """Return the evaluator and the problem's text of each problem's newest judgement."""
    newest: dict[str, tuple[tuple[bool, str], Edition]] = {}
    for facts in everything:
        age = (facts.problem_hash is not None, facts.created)
        known = newest.get(facts.problem)
        if is_counted(facts) and (known is None or age >= known[0]):
            newest[facts.problem] = (age, Edition(facts.evaluator, facts.problem_hash))
    return {problem: edition for problem, (_, edition) in newest.items()}


def edition_of(facts: Facts, editions: Mapping[str, Edition]) -> Edition:
    """Return the edition that an attempt belongs to; a failure of ours has no text and joins the newest."""
    newest = editions.get(facts.problem)
    if facts.problem_hash is None and newest is not None:
        return Edition(facts.evaluator, newest.problem_hash)
    return Edition(facts.evaluator, facts.problem_hash)


def is_stale(facts: Facts, editions: Mapping[str, Edition]) -> bool:
    """Tell whether the attempt was judged by another evaluator or against another text than the newest."""
    newest = editions.get(facts.problem)
    return newest is not None and edition_of(facts, editions) != newest


def newest_of_each(members: Iterable[Facts], *, by_stage: bool) -> list[Facts]:
    """Return one judgement of each reply, in an order that does not depend on the given one."""
    kept: dict[tuple[str, str | None], Facts] = {}
    for facts in sorted(members, key=lambda f: (f.status is not None, f.created, f.id)):
        kept[facts.reply, facts.stage if by_stage else None] = facts
    return sorted(kept.values(), key=lambda f: f.id)


def left_out(everything: Iterable[Facts]) -> LeftOut:
    """Count what is in no score or on a stale board."""
    known = list(everything)
    rest = [facts for facts in known if not is_counted(facts)]
    voided = sum(facts.void for facts in rest)
    editions = newest_editions(known)
    stale = sum(is_counted(facts) and is_stale(facts, editions) for facts in known)
    weak = sum(is_counted(facts) and facts.quarantined is not None for facts in known)
    return LeftOut(voided=voided, other_rules=len(rest) - voided, stale=stale, quarantined=weak)


def left_out_text(counts: LeftOut) -> str:
    """Say it in one or two sentences; empty text where nothing was left out."""
    parts = []
    if counts.voided:
        parts.append(f"{counts.voided} voided")
    if counts.other_rules:
        parts.append(f"{counts.other_rules} judged under other than the strict rules")
    sentences = [f"Not counted: {', '.join(parts)}."] if parts else []
    if counts.stale:
        sentences.append(
            f"Stale, on boards of their own: {counts.stale} judged by an older evaluator or against another"
            " text of the problem; `rescore` judges them again."
        )
    if counts.quarantined:
        sentences.append(
            f"Quarantined, on boards that say so and in no row over all problems: {counts.quarantined} on"
            " problems that `validate` found to accept a wrong answer."
        )
    return " ".join(sentences)
