"""Problems that `validate` found to accept a wrong answer: what is judged on them is marked."""

from __future__ import annotations

from harness.store.database import Database
from harness.store.keys import utc_now


class Quarantine(Database):
    """The part of the store that knows of quarantined problems, by the hash of their text."""

    def quarantine(self, problem_hash: str, problem: str, reason: str) -> None:
        """Quarantine a problem; all attempts on that text are marked, earlier ones too."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?)",
                (problem_hash, problem, reason, utc_now()),
            )

    def lift_quarantine(self, problem_hash: str) -> None:
        """Take a problem out again: it was attacked anew and held."""
        with self._writing() as connection:
            connection.execute("DELETE FROM quarantine WHERE problem_hash = ?", (problem_hash,))

    def quarantine_of(self, problem_hash: str) -> str | None:
        """Return why a problem is quarantined; None where it is not."""
        rows = self._query("SELECT reason FROM quarantine WHERE problem_hash = ?", (problem_hash,))
        return str(rows[0]["reason"]) if rows else None
