"""One attempt in the list: the line that is always there, and the JSON from which the rest is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any

from eval.records import Record, Track
from harness.records import Attempt, Candidate, Prompt
from harness.report.outcomes import Status, status_of
from harness.report.why import headline, why
from harness.scores import facts_of, place_name, place_of, times

TEXT_LIMIT = 120_000
"""Characters of a reply or a candidate that the page carries; `show ID` has the rest."""


class Shared(Record):
    """Texts that many attempts share, so that the page holds each once."""

    prompts: dict[str, str] = {}
    """Text by hash."""
    current: dict[str, str] = {}
    """Current code by prompt hash, and by problem for what has no prompt."""

    @classmethod
    def of(cls, prompts: Iterable[Prompt | None]) -> Shared:
        """Return the texts of these prompts."""
        known = [prompt for prompt in prompts if prompt is not None]
        return cls(
            prompts={prompt.hash: prompt.text for prompt in known},
            current={prompt.hash: prompt.code for prompt in known if prompt.code is not None},
        )


class Row(Record):
    """What a closed row shows, and what the filters read."""

    id: str
    status: Status
    headline: str
    model: str
    sample: int
    source: str | None
    problem: str
    stage: str | None
    place: str
    speed: str
    """Speed-up against eager; empty where none was measured."""
    speedup: float
    """For sorting; 0 where there is none."""
    ms: str | None
    open: bool | None
    stage_legal: bool | None
    rules: str
    stale: bool
    created: str
    search: str
    detail: str
    """JSON of a `Detail`, safe inside a script element."""


class Detail(Record):
    """What an opened row is drawn from."""

    why: tuple[str, ...]
    place: str
    attempt: Attempt
    code_lines: tuple[int, int] | None
    """First line (from 0) and number of lines of the reply that are the code; the attempt's own copy
    is then empty, which nearly halves the page."""
    reply_length: int
    """Characters before cutting."""
    code_length: int


def row(attempt: Attempt, *, stale: bool = False) -> Row:
    """Return everything that the page holds about one attempt."""
    ratio = _speedup(attempt)
    return Row(
        id=attempt.id,
        status=status_of(attempt),
        headline=headline(attempt),
        model=attempt.reply.model,
        sample=attempt.reply.sample,
        source=attempt.reply.source,
        problem=attempt.problem,
        stage=attempt.stage,
        place=place_name(place_of(facts_of(attempt))),
        speed=times(ratio) if ratio else "",
        speedup=ratio or 0.0,
        ms=_ms(attempt),
        open=_legal(attempt, "open"),
        stage_legal=_legal(attempt, "stage"),
        rules=attempt.rules,
        stale=stale,
        created=attempt.created,
        search=_search(attempt),
        detail=script_json(_detail(attempt).model_dump()),
    )


def sort_key(line: Row) -> tuple[int, float, str]:
    """Order the list: the fastest passes first, then other passes, then the rest by age."""
    return (0 if line.status == "passed" else 1, -line.speedup, line.created)


def script_json(value: dict[str, Any]) -> str:
    """Return JSON without any character that could end or open a tag or a comment.

    NaN and infinity, which JSON does not know, become null.
    """
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    return (
        json.dumps(finite, ensure_ascii=False, separators=(",", ":"))
        .replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _speedup(attempt: Attempt) -> float | None:
    """Return the speed-up of a pass; a time that belongs to no pass is no result."""
    verdict = attempt.verdict
    if verdict is None or verdict.status != "passed" or verdict.timing is None:
        return None
    eager = verdict.timing.speedup.eager
    return eager.median if eager and isfinite(eager.median) and eager.median > 0 else None


def _ms(attempt: Attempt) -> str | None:
    timing = attempt.verdict.timing if attempt.verdict else None
    return f"{timing.candidate_ms.median:.4g} ms" if timing else None


def _legal(attempt: Attempt, track: Track) -> bool | None:
    if attempt.verdict is None:
        return None
    return attempt.verdict.tracks.open if track == "open" else attempt.verdict.tracks.stage


def _search(attempt: Attempt) -> str:
    verdict = attempt.verdict
    rules = [violation.rule for violation in verdict.violations] if verdict else []
    parts = [
        *(
            attempt.id,
            attempt.run,
            attempt.reply.model,
            f"#{attempt.reply.sample}",
            attempt.reply.source or "",
        ),
        *(attempt.problem, attempt.stage or "", status_of(attempt), headline(attempt), *dict.fromkeys(rules)),
        (verdict.detail if verdict else attempt.error) or "",
    ]
    return " ".join(part for part in parts if part).lower()


def _detail(attempt: Attempt) -> Detail:
    candidate, reply, verdict = attempt.candidate, attempt.reply, attempt.verdict
    if verdict and verdict.timing:
        samples = {role: tuple(map(_short, taken)) for role, taken in verdict.timing.samples_ms.items()}
        timing = verdict.timing.model_copy(update={"samples_ms": samples})
        verdict = verdict.model_copy(update={"timing": timing})
    text = reply.text[:TEXT_LIMIT]
    code_lines = _lines_within(text, candidate) if candidate else None
    short = candidate and candidate.model_copy(
        update={"code": "" if code_lines else candidate.code[:TEXT_LIMIT]}
    )
    shown = {"reply": reply.model_copy(update={"text": text}), "candidate": short, "verdict": verdict}
    return Detail(
        why=why(attempt),
        place=place_name(place_of(facts_of(attempt))),
        attempt=attempt.model_copy(update=shown),
        code_lines=code_lines,
        reply_length=len(reply.text),
        code_length=len(candidate.code) if candidate else 0,
    )


def _short(ms: float) -> float:
    """Return a sample to five digits, which no drawing needs more of and which halve the page."""
    return float(f"{ms:.5g}")


def _lines_within(text: str, candidate: Candidate) -> tuple[int, int] | None:
    """Return where the code stands in the reply, to the letter, or None where it does not."""
    first, count = candidate.first_line - 1, len(candidate.code.removesuffix("\n").split("\n"))
    there = "\n".join(text.split("\n")[first : first + count])
    return (first, count) if there == candidate.code.removesuffix("\n") else None
