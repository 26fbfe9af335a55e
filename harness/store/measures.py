"""The numbers of each verdict in columns of their own: scores read them without the verdicts' texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from math import isfinite

from eval.records import Record, Verdict
from harness.records import Facts
from harness.store.database import Database

_PAGE = 5000


class Activity(Record):
    """What happened in a store lately."""

    attempts: int
    attempts_since: int
    """Judged since the given time."""
    calls_in_flight: int
    gpus: tuple[str, ...]
    """Those that judged since then."""
    cost: float | None
    """Of all calls; None where none is known."""


_SELECT = """
SELECT attempts.rowid AS place, attempts.id, attempts.reply, replies.model, replies.sample, attempts.problem,
       verdicts.problem_hash, attempts.stage, verdicts.status, measures.kind, measures.open,
       measures.stage AS stage_legal, measures.device AS judged_on, attempts.device,
       CASE attempts.device WHEN 'cuda' THEN coalesce(measures.gpu, attempts.gpu_name) END AS gpu,
       CASE attempts.device WHEN 'cuda' THEN attempts.size END AS size,
       CASE attempts.device WHEN 'cuda' THEN attempts.baselines ELSE 'live' END AS baselines,
       attempts.rules, attempts.evaluator,
       attempts.void_reason, attempts.created, candidate_ms, speedup_eager, speedup_compile,
       speedup_current, fraction_of_floor, bytes, copy_gb_per_s, broken, replies.cost,
       quarantine.reason AS quarantined,
       coalesce(
           json_extract(replies.usage, '$.total_tokens'),
           json_extract(replies.usage, '$.prompt_tokens')
               + json_extract(replies.usage, '$.completion_tokens'),
           json_extract(replies.usage, '$.input_tokens') + json_extract(replies.usage, '$.output_tokens')
       ) AS tokens
FROM attempts JOIN replies ON replies.id = attempts.reply
LEFT JOIN verdicts ON verdicts.id = attempts.verdict LEFT JOIN measures ON measures.verdict = verdicts.id
LEFT JOIN quarantine ON quarantine.problem_hash = verdicts.problem_hash
"""


class Measures(Database):
    """The part of the store that scores read."""

    def facts(self, *, run: str | None = None) -> Iterator[Facts]:
        """Yield the facts of every attempt, struck ones too, or of those that a run judged or met."""
        where, values = "attempts.rowid > ?", []
        if run is not None:
            where += " AND attempts.id IN (SELECT attempt FROM run_attempts WHERE run = ?)"
            values.append(run)
        last = 0
        while rows := self._query(
            f"{_SELECT} WHERE {where} ORDER BY attempts.rowid LIMIT {_PAGE}", (last, *values)
        ):
            yield from map(_facts, rows)
            last = rows[-1]["place"]

    def fingerprint(self) -> tuple[float | None, ...]:
        """Return numbers that change whenever an attempt, a verdict, a strike or a note is added."""
        (row,) = self._query(
            "SELECT count(*), max(rowid), count(verdict), count(void_reason),"
            " (SELECT max(id) FROM verdicts), (SELECT total(length(config)) FROM runs),"
            " (SELECT group_concat(problem_hash) FROM quarantine) FROM attempts"
        )
        return tuple(row)

    def price_sources(self) -> tuple[str, ...]:
        """Return where prices are from that nobody gave, of all that has a cost."""
        rows = self._query(
            "SELECT DISTINCT json_extract(extra, '$.price_source') AS source FROM replies"
            " WHERE cost IS NOT NULL AND source IS NOT NULL ORDER BY 1"
        )
        return tuple(row["source"] for row in rows)

    def unjudged(self, run: str) -> int:
        """Return how many replies a run bought or found and has not judged yet."""
        (row,) = self._query(
            "SELECT count(*) AS number FROM run_replies JOIN replies ON replies.id = run_replies.reply"
            " WHERE run_replies.run = ? AND replies.state = 'received' AND replies.id NOT IN"
            " (SELECT attempts.reply FROM run_attempts JOIN attempts ON attempts.id = run_attempts.attempt"
            " WHERE run_attempts.run = run_replies.run)",
            (run,),
        )
        return int(row["number"])

    def activity(self, since: str) -> Activity:
        """Return what happened since a time, which is given as the store writes it."""
        (row,) = self._query(
            "SELECT (SELECT count(*) FROM attempts) AS attempts,"
            " (SELECT count(*) FROM attempts WHERE created > ?) AS since,"
            " (SELECT count(*) FROM replies WHERE state = 'pending') AS pending,"
            " (SELECT sum(cost) FROM replies) AS cost",
            (since,),
        )
        gpus = self._query(
            "SELECT DISTINCT gpu_name FROM attempts WHERE created > ? AND gpu_name IS NOT NULL ORDER BY 1",
            (since,),
        )
        return Activity(
            attempts=row["attempts"],
            attempts_since=row["since"],
            calls_in_flight=row["pending"],
            gpus=tuple(found["gpu_name"] for found in gpus),
            cost=row["cost"],
        )


def _yes(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _facts(row: sqlite3.Row) -> Facts:
    return Facts(
        id=row["id"],
        reply=str(row["reply"]),
        model=row["model"],
        sample=row["sample"],
        problem=row["problem"],
        problem_hash=row["problem_hash"],
        stage=row["stage"],
        status=row["status"],
        kind=row["kind"],
        open=_yes(row["open"]),
        stage_legal=_yes(row["stage_legal"]),
        judged_on=row["judged_on"],
        device=row["device"],
        gpu=row["gpu"],
        size=row["size"],
        baselines=row["baselines"],
        quarantined=row["quarantined"],
        rules=row["rules"],
        evaluator=row["evaluator"],
        void=row["void_reason"] is not None,
        created=row["created"],
        ms=row["candidate_ms"],
        eager=row["speedup_eager"],
        compile=row["speedup_compile"],
        current=row["speedup_current"],
        floor=row["fraction_of_floor"],
        cost=row["cost"],
        tokens=row["tokens"],
        bytes=row["bytes"],
        copy_gb_per_s=row["copy_gb_per_s"],
        broken=tuple(dict.fromkeys(map(tuple, json.loads(row["broken"])))) if row["broken"] else (),
    )


def insert_measures(connection: sqlite3.Connection, verdict_id: int, verdict: Verdict) -> None:
    """Write the numbers of a verdict beside it; what is not finite is not measured."""
    timing = verdict.timing
    speedup = timing.speedup if timing else None
    ratios = [getattr(speedup, name, None) for name in ("eager", "compile", "current")]
    numbers = [
        timing.candidate_ms.median if timing else None,
        *(ratio.median if ratio else None for ratio in ratios),
        timing.fraction_of_floor if timing else None,
        timing.bytes if timing else None,
        timing.copy_gb_per_s if timing else None,
    ]
    broken = [(violation.severity, violation.rule, violation.track) for violation in verdict.violations]
    connection.execute(
        "INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            verdict_id,
            getattr(verdict, "reason", None) or getattr(verdict, "phase", None),
            verdict.device,
            verdict.environment.gpu if verdict.environment else None,
            verdict.tracks.open,
            verdict.tracks.stage,
            *(value if value is not None and isfinite(value) else None for value in numbers),
            json.dumps(list(dict.fromkeys(broken))),
        ),
    )
