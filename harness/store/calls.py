"""The life of a bought reply: claimed before it is sent, kept when it returns, never bought twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from eval.records import Record
from harness.records import Prompt, Reply
from harness.store.keys import CallKey, digest, utc_now
from harness.store.ledger import Answer, CallState, Ledger, insert, link
from harness.store.owner import is_alive

_AT_ONCE = 500
"""Keys in one query; SQLite takes 999 in old versions."""
_KILLED = "the collector was killed"


class Claim(Record):
    """Who makes a call.

    `kept`: the reply is there. `ours`: this process makes it. `elsewhere`: another process is
    making it. `submitted`: it stands in a batch file whose output was not imported yet.
    """

    state: Literal["kept", "ours", "elsewhere", "submitted"]
    reply_id: int


class Calls(Ledger):
    """The part of the store that says which calls are made, and by whom."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep all that is written in the block in one transaction, or none of it."""
        with self._writing():
            yield

    def settle(self) -> None:
        """Mark the calls that were in flight in processes that have died as `unknown`."""
        rows = self._query("SELECT DISTINCT owner FROM replies WHERE state = 'pending'")
        dead = [row["owner"] for row in rows if not is_alive(row["owner"])]
        if dead:
            with self._writing() as connection:
                connection.executemany(
                    "UPDATE replies SET state = 'unknown', error = ?, ended = ?"
                    " WHERE state = 'pending' AND owner = ?",
                    [(_KILLED, utc_now(), owner) for owner in dead],
                )

    def abandon(self, run: str) -> None:
        """Mark what a run has left in flight as `unknown`."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE replies SET state = 'unknown', error = 'interrupted', ended = ?"
                " WHERE state = 'pending' AND run = ?",
                (utc_now(), run),
            )

    def received(self, keys: Sequence[str]) -> dict[str, int]:
        """Return the row of each call whose reply is there, by the hash of its key."""
        found: dict[str, int] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            found |= {
                row["key"]: row["id"]
                for row in self._query(
                    f"SELECT key, id FROM replies WHERE state = 'received' AND key IN ({marks})",  # noqa: S608
                    some,
                )
            }
        return found

    def meet(self, run: str, reply_ids: Iterable[int]) -> None:
        """Write that a run found these replies in the store."""
        with self._writing() as connection:
            for reply_id in reply_ids:
                link(connection, run, reply_id)

    def claim(self, run: str, key: CallKey, prompt: Prompt, source: str, *, fresh: bool = False) -> Claim:
        """Return the reply that is there, or write the row of the call that is now to be made.

        With `fresh` only another process at the same call stops this one.
        """
        return self._claim(run, key, prompt, source, "pending", fresh=fresh)

    def submit(self, run: str, key: CallKey, prompt: Prompt, source: str) -> Claim:
        """Write the row of a call that goes into a batch file; one already there is found again."""
        return self._claim(run, key, prompt, source, "submitted", fresh=False)

    def _claim(
        self,
        run: str,
        key: CallKey,
        prompt: Prompt,
        source: str,
        state: Literal["pending", "submitted"],
        *,
        fresh: bool,
    ) -> Claim:
        with self._writing() as connection:
            before = _standing(connection, key.hash, fresh=fresh)
            if before is not None:
                if before.state == "kept":
                    link(connection, run, before.reply_id)
                return before
            reply = Reply(
                model=key.shown,
                sample=key.sample,
                text="",
                prompt_hash=prompt.hash,
                source=source,
                problem=prompt.problem,
                stage=prompt.stage,
                gpu=prompt.gpu,
            )
            number = insert(connection, run, key.hash, reply, state=state, parameters=key.parameters)
            return Claim(state="ours", reply_id=number)

    def keep_answer(self, reply_id: int, answer: Answer, *, replace: bool = False) -> None:
        """Write a whole reply; with `replace` the one bought before gives way to it."""
        with self._writing() as connection:
            twin = connection.execute(
                "SELECT other.id FROM replies AS mine JOIN replies AS other ON other.key = mine.key"
                " WHERE mine.id = ? AND other.id != mine.id AND other.state = 'received'",
                (reply_id,),
            ).fetchone()
            if twin and replace:
                connection.execute("UPDATE replies SET state = 'replaced' WHERE id = ?", (twin["id"],))
            state: CallState = "duplicate" if twin and not replace else "received"
            _update(connection, reply_id, state, answer)
            connection.execute(
                "INSERT OR IGNORE INTO run_replies SELECT run, id FROM replies"
                " WHERE id = ? AND state = 'received'",
                (reply_id,),
            )

    def keep_failure(
        self,
        reply_id: int,
        error: str,
        part: Answer | None = None,
        state: Literal["failed", "unknown"] = "failed",
        kind: str | None = None,
    ) -> None:
        """Write that a call gave no whole reply, with the part that came; `kind` classes the error."""
        with self._writing() as connection:
            _update(connection, reply_id, state, part or Answer(), error, kind)

    def submitted(self, key: str) -> int | None:
        """Return the row of a call in a batch file, whatever became of it, by the hash of its key."""
        rows = self._query(
            "SELECT id FROM replies WHERE key = ? ORDER BY state != 'submitted', state != 'received', id",
            (key,),
        )
        return rows[0]["id"] if rows else None

    def import_reply(self, run: str, reply: Reply, identity: str, answer: Answer) -> tuple[int, bool]:
        """Keep a reply that was bought elsewhere; return its row, and whether it is new.

        The same model, problem, stage, GPU, `identity` and text is the same reply, wherever its
        file lies.
        """
        key = digest(
            "import",
            *(reply.model, reply.problem, reply.stage, reply.gpu, reply.is_code, identity, reply.text),
        )
        with self._writing() as connection:
            row = connection.execute("SELECT id FROM replies WHERE key = ?", (key,)).fetchone()
            if row is None:
                number = insert(connection, run, key, reply, state="received")
                _update(connection, number, "received", answer)
            else:
                number = row["id"]
            link(connection, run, number)
        return number, row is None


def _standing(connection: sqlite3.Connection, key: str, *, fresh: bool) -> Claim | None:
    """Return what stands in the way of a call, if anything does."""
    rows = connection.execute(
        "SELECT id, state, owner FROM replies WHERE key = ? AND state IN ('received', 'pending', 'submitted')"
        " ORDER BY state = 'received' DESC, id",
        (key,),
    ).fetchall()
    for row in rows:
        if row["state"] == "pending":
            if is_alive(row["owner"]):
                return Claim(state="elsewhere", reply_id=row["id"])
            _update(connection, row["id"], "unknown", Answer(), _KILLED)
        elif not fresh:
            return Claim(state="kept" if row["state"] == "received" else "submitted", reply_id=row["id"])
    return None


def _update(
    connection: sqlite3.Connection,
    reply_id: int,
    state: CallState,
    answer: Answer,
    error: str | None = None,
    kind: str | None = None,
) -> None:
    values: dict[str, object] = {
        **answer.model_dump(),
        "usage": json.dumps(answer.usage),
        "extra": json.dumps(answer.extra),
        "state": state,
        "error": error,
        "error_kind": kind,
        "ended": utc_now(),
    }
    sets = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE replies SET {sets} WHERE id = ?", (*values.values(), reply_id))  # noqa: S608
