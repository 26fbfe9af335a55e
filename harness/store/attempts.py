"""Verdicts under the key of all that decides them, and attempts: one reply with its verdict."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from eval.records import RulesMode, Verdict
from harness.errors import EnvironmentFailure, UsageError
from harness.records import Attempt, Candidate
from harness.store.keys import JudgeKey, digest, utc_now
from harness.store.ledger import PAGE, Ledger, StoredReply, stored_reply
from harness.store.measures import insert_measures

_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)

_SELECT = """
SELECT attempts.rowid AS place, attempts.id AS attempt_id, attempts.run AS attempt_run, attempts.candidate,
       attempts.problem AS attempt_problem, attempts.stage AS attempt_stage, attempts.gpu AS attempt_gpu,
       attempts.error AS attempt_error, attempts.evaluator, attempts.rules, attempts.void_reason,
       attempts.created AS attempt_created, attempts.device AS attempt_device, attempts.size AS attempt_size,
       attempts.gpu_name AS attempt_gpu_name, attempts.baselines, verdicts.record AS verdict,
       verdicts.problem_hash AS judged_problem_hash, verdicts.stage_hash AS judged_stage_hash,
       json_extract(prompts.record, '$.sources.gpu') AS prompt_gpu_hash,
       quarantine.reason AS quarantine_reason, replies.*
FROM attempts JOIN replies ON replies.id = attempts.reply LEFT JOIN verdicts ON verdicts.id = attempts.verdict
LEFT JOIN prompts ON prompts.hash = replies.prompt_hash
LEFT JOIN quarantine ON quarantine.problem_hash = verdicts.problem_hash
"""


class Attempts(Ledger):
    """The part of the store that keeps verdicts and attempts."""

    def find_verdict(self, key: JudgeKey) -> Verdict | None:
        """Return the verdict already reached under that key. A failure of ours leaves none."""
        rows = self._query("SELECT record FROM verdicts WHERE key = ?", (key.hash,))
        return self._read_verdict(rows[0]["record"]) if rows else None

    def save_attempt(
        self,
        run: str,
        reply: StoredReply,
        key: JudgeKey,
        *,
        candidate: Candidate | None,
        verdict: Verdict | None,
        error: str | None = None,
        gpu: str | None = None,
    ) -> Attempt:
        """Keep what came of a reply: a verdict, or our own error for the next run to try again.

        The same reply under the same key is one attempt, however often it is saved; a verdict that
        is there is never replaced, and never struck by a later error. `gpu` is the prompt's.
        """
        attempt = digest("attempt", reply.id, key.hash)[:12]
        with self._writing() as connection:
            if verdict is not None:
                _insert_verdict(connection, key, verdict)
            number = connection.execute("SELECT id FROM verdicts WHERE key = ?", (key.hash,)).fetchone()
            connection.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET"
                " verdict = excluded.verdict, candidate = excluded.candidate, error = excluded.error",
                (
                    attempt,
                    run,
                    reply.id,
                    number["id"] if number else None,
                    candidate.model_dump_json() if candidate else None,
                    key.problem,
                    key.stage,
                    gpu,
                    key.rules,
                    key.device,
                    key.size,
                    key.gpu_name,
                    key.evaluator,
                    None if number else error,
                    utc_now(),
                    key.baselines,
                ),
            )
            connection.execute("INSERT OR IGNORE INTO run_attempts VALUES (?, ?)", (run, attempt))
        return self.attempt(attempt)

    def attempt(self, attempt_id: str) -> Attempt:
        """Return one attempt by its id, or by the beginning of one where only one begins so."""
        rows = self._query(f"{_SELECT} WHERE substr(attempts.id, 1, ?) = ?", (len(attempt_id), attempt_id))
        if not rows or not attempt_id:
            raise UsageError(f"no attempt {attempt_id!r} in {self.path}; `eval` prints the ids")
        if len(rows) > 1:
            begins = ", ".join(row["attempt_id"] for row in rows[:5])
            raise UsageError(f"{attempt_id!r} begins {len(rows)} attempts ({begins}); give more of it")
        return self._read(rows[0])

    def attempts(
        self,
        *,
        run: str | None = None,
        problem: str | None = None,
        stage: str | None = None,
        model: str | None = None,
        device: str | None = None,
        size: str | None = None,
        gpu_name: str | None = None,
        rules: RulesMode | None = None,
        evaluator: str | None = None,
        include_void: bool = False,
    ) -> Iterator[Attempt]:
        """Yield the attempts that match, in the order in which they were first judged.

        `run` also finds attempts that the run met already judged; `gpu_name` is the GPU that judged.
        """
        given = {
            "attempts.problem": problem,
            "attempts.stage": stage,
            "replies.model": model,
            "attempts.device": device,
            "attempts.size": size,
            "attempts.gpu_name": gpu_name,
            "attempts.rules": rules,
            "attempts.evaluator": evaluator,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        clauses = [f"{name} = ?" for name in wanted]
        values = list(wanted.values())
        if run is not None:
            clauses.append("attempts.id IN (SELECT attempt FROM run_attempts WHERE run = ?)")
            values.append(run)
        if not include_void:
            clauses.append("attempts.void_reason IS NULL")
        where = " AND ".join([*clauses, "attempts.rowid > ?"])
        last = 0
        while rows := self._query(
            f"{_SELECT} WHERE {where} ORDER BY attempts.rowid LIMIT {PAGE}", (*values, last)
        ):
            yield from map(self._read, rows)
            last = rows[-1]["place"]

    def attempts_of(self, ids: Sequence[str]) -> list[Attempt]:
        """Return the attempts with these whole ids, in this order; up to 500 of them."""
        marks = ", ".join("?" * len(ids))
        rows = self._query(f"{_SELECT} WHERE attempts.id IN ({marks})", ids)
        found = {row["attempt_id"]: row for row in rows}
        return [self._read(found[one]) for one in ids if one in found]

    def void(self, attempt_id: str, why: str) -> Attempt:
        """Strike an attempt from scores and keep the reason."""
        attempt = self.attempt(attempt_id)
        with self._writing() as connection:
            connection.execute("UPDATE attempts SET void_reason = ? WHERE id = ?", (why, attempt.id))
        return self.attempt(attempt.id)

    def _read(self, row: sqlite3.Row) -> Attempt:
        return Attempt(
            id=row["attempt_id"],
            run=row["attempt_run"],
            reply=stored_reply(row).reply,
            candidate=Candidate.model_validate_json(row["candidate"]) if row["candidate"] else None,
            problem=row["attempt_problem"],
            stage=row["attempt_stage"],
            gpu=row["attempt_gpu"],
            verdict=self._read_verdict(row["verdict"]) if row["verdict"] else None,
            error=row["attempt_error"],
            evaluator=row["evaluator"],
            created=row["attempt_created"],
            rules=row["rules"],
            device=row["attempt_device"],
            gpu_name=row["attempt_gpu_name"],
            size=row["attempt_size"],
            baselines=row["baselines"],
            void_reason=row["void_reason"],
            quarantined=row["quarantine_reason"],
            problem_hash=row["judged_problem_hash"],
            stage_hash=row["judged_stage_hash"],
            gpu_hash=row["prompt_gpu_hash"],
        )

    def _read_verdict(self, text: str) -> Verdict:
        try:
            return _VERDICT.validate_json(text)
        except ValidationError as error:
            raise EnvironmentFailure(
                f"store {self.path} holds a verdict that this version cannot read; judge again into another "
                f"store with --store FILE ({error.error_count()} fields differ)"
            ) from error


def _insert_verdict(connection: sqlite3.Connection, key: JudgeKey, verdict: Verdict) -> None:
    values: dict[str, object] = {
        **key.model_dump(exclude={"baselines", "sanitize"}),
        "key": key.hash,
        "status": verdict.status,
        "seconds": verdict.seconds,
        "record": json.dumps(verdict.model_dump(mode="json")),
        "created": utc_now(),
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    cursor = connection.execute(
        f"INSERT OR IGNORE INTO verdicts ({names}) VALUES ({marks})",  # noqa: S608
        tuple(values.values()),
    )
    if cursor.rowcount and cursor.lastrowid:
        insert_measures(connection, cursor.lastrowid, verdict)
