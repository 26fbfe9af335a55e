"""Prompts, and a row for every call of a model: written before it is sent and after it returns.

States: `pending` (in flight, or its process died), `submitted` (written to a batch file), `received`
(bought and whole), `failed` (the endpoint did not give a whole reply; what came is kept), `unknown`
(its process ended first), `duplicate` (bought twice all the same), `replaced` (bought again on
purpose). Only `received` rows are replies to be judged. `calls.py` moves a row from state to state.
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
from harness.store.keys import digest, utc_now
from harness.store.owner import me

PAGE = 200
"""Rows read at a time, so that a long listing neither holds a lock nor fills the memory."""

CallState = Literal["pending", "submitted", "received", "failed", "unknown", "duplicate", "replaced"]


class Answer(Record):
    """What came back from one call, whole or not."""

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] = Field(default_factory=dict)
    model_id: str | None = None
    latency_s: float | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    """Reasoning text, refusal, request id, number of retries: what only some endpoints give."""
    tries: int = 1
    """How often it was sent until this came of it."""
    cost: float | None = None
    """In the currency of the model's price; None where no price is known."""


class StoredReply(Record):
    """A row of the ledger."""

    id: int
    run: str
    state: CallState
    reply: Reply
    parameters: dict[str, Any] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    tries: int = 1
    cost: float | None = None
    error: str | None = None
    error_kind: str | None = None
    """Class of the error, for example ``rate_limit``."""
    created: str


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
        tries=row["tries"],
        cost=row["cost"],
        error=row["error"],
        error_kind=row["error_kind"],
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

    def save_reply(self, run: str, reply: Reply) -> StoredReply:
        """Keep a reply that came from a file; the same text from the same place is one reply."""
        where = str(Path(reply.source).resolve()) if reply.source else None
        key = digest(
            "file", reply.model, reply.problem, reply.stage, reply.gpu, reply.is_code, where, reply.text
        )
        with self._writing() as connection:
            row = connection.execute("SELECT id FROM replies WHERE key = ?", (key,)).fetchone()
            number = row["id"] if row else insert(connection, run, key, reply, state="received")
            link(connection, run, number)
        return self.reply(number)

    def reply(self, reply_id: int) -> StoredReply:
        """Return one row of the ledger."""
        return stored_reply(self._query("SELECT * FROM replies WHERE id = ?", (reply_id,))[0])

    def reply_of(self, attempt_id: str) -> StoredReply:
        """Return the row of the ledger that an attempt judges, by its whole id."""
        sql = (
            "SELECT replies.* FROM attempts JOIN replies ON replies.id = attempts.reply WHERE attempts.id = ?"
        )
        return stored_reply(self._query(sql, (attempt_id,))[0])

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

    def run_replies(self, run: str) -> Iterator[StoredReply]:
        """Yield every reply that a run bought or found, in the order in which they were asked for."""
        last = 0
        while rows := self._query(
            "SELECT replies.* FROM run_replies JOIN replies ON replies.id = run_replies.reply"
            " WHERE run_replies.run = ? AND replies.id > ? ORDER BY replies.id LIMIT ?",
            (run, last, PAGE),
        ):
            yield from map(stored_reply, rows)
            last = rows[-1]["id"]


def insert(
    connection: sqlite3.Connection,
    run: str,
    key: str,
    reply: Reply,
    *,
    state: CallState,
    parameters: dict[str, Any] | None = None,
) -> int:
    """Write a new row and return its number."""
    values: dict[str, object] = {
        **reply.model_dump(),
        "usage": json.dumps(reply.usage),
        "key": key,
        "run": run,
        "state": state,
        "owner": me(),
        "parameters": json.dumps(parameters or {}),
        "extra": "{}",
        "created": utc_now(),
        "ended": None if state in {"pending", "submitted"} else utc_now(),
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    cursor = connection.execute(f"INSERT INTO replies ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def link(connection: sqlite3.Connection, run: str, reply_id: int) -> None:
    """Write that a run has that reply, bought by itself or found."""
    connection.execute("INSERT OR IGNORE INTO run_replies VALUES (?, ?)", (run, reply_id))
