"""Prompts, and a row for every call of a model: written before it is sent and after it returns.

States: `pending` (in flight, or its process died), `received` (bought and whole), `failed` (the
endpoint did not give a whole reply; what came is kept), `unknown` (its process ended first),
`duplicate` (bought twice all the same). Only `received` rows are replies to be judged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from eval.records import Record
from harness.records import Prompt, Reply
from harness.store.database import Database
from harness.store.keys import CallKey, digest, utc_now
from harness.store.owner import is_alive, me

PAGE = 200
"""Rows read at a time, so that a long listing neither holds a lock nor fills the memory."""

CallState = Literal["pending", "received", "failed", "unknown", "duplicate"]


class Answer(Record):
    """What came back from one call, whole or not."""

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] = Field(default_factory=dict)
    model_id: str | None = None
    latency_s: float | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    """Reasoning text, refusal, request id, number of retries: what only some endpoints give."""


class StoredReply(Record):
    """A row of the ledger."""

    id: int
    run: str
    state: CallState
    reply: Reply
    parameters: dict[str, Any] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    created: str


class Claim(Record):
    """Who makes a call: `kept` needs none, `ours` is this process, `elsewhere` another one."""

    state: Literal["kept", "ours", "elsewhere"]
    reply_id: int


def stored_reply(row: sqlite3.Row) -> StoredReply:
    """Return the record of one row of `replies`."""
    reply = Reply(
        model=row["model"],
        sample=row["sample"],
        text=row["text"] or "",
        prompt_hash=row["prompt_hash"],
        model_id=row["model_id"],
        finish_reason=row["finish_reason"],
        usage=json.loads(row["usage"]),
        latency_s=row["latency_s"],
        source=row["source"],
        problem=row["problem"],
        stage=row["stage"],
        gpu=row["gpu"],
        code_file=row["code_file"],
        metrics_file=row["metrics_file"],
        is_code=bool(row["is_code"]),
    )
    return StoredReply(
        id=row["id"],
        run=row["run"],
        state=row["state"],
        reply=reply,
        parameters=json.loads(row["parameters"]),
        extra=json.loads(row["extra"]),
        error=row["error"],
        created=row["created"],
    )


class Ledger(Database):
    """The part of the store that keeps prompts and replies."""

    def save_prompt(self, prompt: Prompt) -> None:
        """Keep a prompt under its hash; the same one again changes nothing."""
        values = (prompt.hash, prompt.problem, prompt.stage, prompt.gpu, prompt.model_dump_json(), utc_now())
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?, ?, ?)", values)

    def prompt(self, prompt_hash: str) -> Prompt | None:
        """Return the prompt with that hash, None where the store has none."""
        rows = self._query("SELECT record FROM prompts WHERE hash = ?", (prompt_hash,))
        return Prompt.model_validate_json(rows[0]["record"]) if rows else None

    def claim(self, run: str, key: CallKey, prompt: Prompt, source: str) -> Claim:
        """Return the reply that is there, or write the row of the call that is now to be made.

        Calls in flight in processes that have died become `unknown`.
        """
        with self._writing() as connection:
            rows = connection.execute(
                "SELECT id, state, owner FROM replies WHERE key = ? AND state IN ('received', 'pending')"
                " ORDER BY state DESC, id",
                (key.hash,),
            ).fetchall()
            for row in rows:
                if row["state"] == "received":
                    return Claim(state="kept", reply_id=row["id"])
                if is_alive(row["owner"]):
                    return Claim(state="elsewhere", reply_id=row["id"])
                _update(connection, row["id"], "unknown", Answer(), "the collector was killed")
            reply = Reply(
                model=key.model,
                sample=key.sample,
                text="",
                prompt_hash=prompt.hash,
                source=source,
                problem=prompt.problem,
                stage=prompt.stage,
                gpu=prompt.gpu,
            )
            return Claim(
                state="ours", reply_id=_insert(connection, run, key.hash, reply, key.parameters, "pending")
            )

    def keep_answer(self, reply_id: int, answer: Answer) -> None:
        """Write a whole reply."""
        with self._writing() as connection:
            twins = connection.execute(
                "SELECT 1 FROM replies AS mine JOIN replies AS other ON other.key = mine.key"
                " WHERE mine.id = ? AND other.id != mine.id AND other.state = 'received'",
                (reply_id,),
            ).fetchone()
            _update(connection, reply_id, "duplicate" if twins else "received", answer, None)

    def keep_failure(
        self,
        reply_id: int,
        error: str,
        part: Answer | None = None,
        state: Literal["failed", "unknown"] = "failed",
    ) -> None:
        """Write that a call gave no whole reply, with the part that came."""
        with self._writing() as connection:
            _update(connection, reply_id, state, part or Answer(), error)

    def save_reply(self, run: str, reply: Reply) -> StoredReply:
        """Keep a reply that came from a file; the same text from the same place is one reply."""
        where = str(Path(reply.source).resolve()) if reply.source else None
        key = digest(
            "file", reply.model, reply.problem, reply.stage, reply.gpu, reply.is_code, where, reply.text
        )
        with self._writing() as connection:
            row = connection.execute("SELECT id FROM replies WHERE key = ?", (key,)).fetchone()
            number = row["id"] if row else _insert(connection, run, key, reply, {}, "received")
        return self.reply(number)

    def reply(self, reply_id: int) -> StoredReply:
        """Return one row of the ledger."""
        return stored_reply(self._query("SELECT * FROM replies WHERE id = ?", (reply_id,))[0])

    def replies(
        self,
        *,
        run: str | None = None,
        problem: str | None = None,
        stage: str | None = None,
        model: str | None = None,
        state: CallState = "received",
    ) -> Iterator[StoredReply]:
        """Yield the replies that match, in the order in which they were asked for."""
        given = {"run": run, "problem": problem, "stage": stage, "model": model, "state": state}
        wanted = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in wanted)
        last = 0
        while rows := self._query(
            f"SELECT * FROM replies WHERE {where} AND id > ? ORDER BY id LIMIT {PAGE}",  # noqa: S608
            (*wanted.values(), last),
        ):
            yield from map(stored_reply, rows)
            last = rows[-1]["id"]


def _insert(
    connection: sqlite3.Connection,
    run: str,
    key: str,
    reply: Reply,
    parameters: dict[str, Any],
    state: CallState,
) -> int:
    values: dict[str, object] = {
        **reply.model_dump(),
        "usage": json.dumps(reply.usage),
        "key": key,
        "run": run,
        "state": state,
        "owner": me(),
        "parameters": json.dumps(parameters),
        "extra": "{}",
        "created": utc_now(),
        "ended": None if state == "pending" else utc_now(),
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    cursor = connection.execute(f"INSERT INTO replies ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _update(
    connection: sqlite3.Connection, reply_id: int, state: CallState, answer: Answer, error: str | None
) -> None:
    values: dict[str, object] = {
        **answer.model_dump(),
        "usage": json.dumps(answer.usage),
        "extra": json.dumps(answer.extra),
        "state": state,
        "error": error,
        "ended": utc_now(),
    }
    sets = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE replies SET {sets} WHERE id = ?", (*values.values(), reply_id))  # noqa: S608
