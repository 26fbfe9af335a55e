"""One row a command that wrote to the store: what was asked, when, and how it ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from eval.records import Record
from harness.store.database import Database
from harness.store.keys import utc_now
from harness.store.owner import is_alive, me

RunState = Literal["running", "done", "interrupted", "failed", "killed"]


class RunInfo(Record):
    """A run and its counts, as `runs` lists it."""

    id: str
    command: str
    config: dict[str, Any]
    state: RunState
    created: str
    ended: str | None
    replies: int
    """Replies that this run received; those that it found in the store are not counted again."""
    failed_calls: int
    attempts: int
    """Attempts that this run judged or found judged."""
    passed: int


_LIST = """
SELECT runs.*,
  (SELECT count(*) FROM replies WHERE run = runs.id AND replies.state = 'received') AS replies,
  (SELECT count(*) FROM replies
     WHERE run = runs.id AND replies.state IN ('failed', 'unknown')) AS failed_calls,
  (SELECT count(*) FROM run_attempts WHERE run = runs.id) AS attempts,
  (SELECT count(*) FROM run_attempts AS link JOIN attempts ON attempts.id = link.attempt
     JOIN verdicts ON verdicts.id = attempts.verdict
     WHERE link.run = runs.id AND verdicts.status = 'passed') AS passed
FROM runs ORDER BY created, id
"""


class Runs(Database):
    """The part of the store that keeps runs."""

    def start_run(self, command: str, config: dict[str, Any] | None = None) -> str:
        """Write a new run and return its id. The command must not hold a secret."""
        run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, 'running', ?, ?, NULL)",
                (run, command, json.dumps(config or {}), me(), utc_now()),
            )
        return run

    def end_run(self, run: str, state: RunState = "done") -> None:
        """Write how a run ended."""
        with self._writing() as connection:
            connection.execute("UPDATE runs SET state = ?, ended = ? WHERE id = ?", (state, utc_now(), run))

    def note(self, run: str, said: dict[str, Any]) -> None:
        """Add to what is kept of a run; what stands there under the same name gives way."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET config = json_patch(config, ?) WHERE id = ?", (json.dumps(said), run)
            )

    @contextmanager
    def run(self, command: str, config: dict[str, Any] | None = None) -> Iterator[str]:
        """Start a run, give its id, and write how the block ended."""
        run = self.start_run(command, config)
        state: RunState = "failed"
        try:
            yield run
            state = "done"
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            self.end_run(run, state)

    def runs(self) -> list[RunInfo]:
        """Return every run, the oldest first."""
        return [
            RunInfo(
                id=row["id"],
                command=row["command"],
                config=json.loads(row["config"]),
                state="killed" if row["state"] == "running" and not is_alive(row["owner"]) else row["state"],
                created=row["created"],
                ended=row["ended"],
                replies=row["replies"],
                failed_calls=row["failed_calls"],
                attempts=row["attempts"],
                passed=row["passed"],
            )
            for row in self._query(_LIST)
        ]
