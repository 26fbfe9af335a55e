"""Opens the SQLite file safely: never touches what is not ours, turns each failure into a clear message."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from harness.errors import EnvironmentFailure, HarnessError, UsageError
from harness.store.schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 30.0


def explain(error: sqlite3.Error, path: Path) -> HarnessError:
    """Return our own error for one of SQLite's, with what the user can do about it."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        advice = "the disk is full or failing; free some space and run the same command again"
    elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        advice = "the file or its folder cannot be written; give another place with --store FILE"
    elif name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        advice = "the file is damaged or not a store; nothing was changed, give another with --store FILE"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        advice = f"another process has held it for over {BUSY_SECONDS:.0f} s; run the same command again"
    else:
        advice = "run the same command again"
    return EnvironmentFailure(f"store {path}: {error}: {advice}")


class Database:
    """One connection to a store, shared by the threads of a process; a context manager.

    With `read_only` a missing file is a `UsageError` and nothing is ever written, not even on a
    read-only disk. A newer or foreign file is a `UsageError`, a damaged one an `EnvironmentFailure`.
    """

    def __init__(
        self, path: Path | str, *, read_only: bool = False, migrations: Sequence[str] = MIGRATIONS
    ) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._migrations = tuple(migrations)
        self._lock = threading.RLock()
        self._check_place()
        try:
            self._connection = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the file."""
        self._connection.close()

    def _check_place(self) -> None:
        if self.path.is_dir():
            raise UsageError(f"store {self.path} is a folder; give a file with --store FILE")
        if not self.path.parent.is_dir():
            raise UsageError(f"store {self.path}: the folder {self.path.parent} does not exist")
        if self.read_only and not self.path.exists():
            raise UsageError(
                f"there is no store at {self.path}; run `eval` or `collect` first, or give --store FILE"
            )

    def _connect(self) -> sqlite3.Connection:
        if not self.read_only:
            return self._open("rwc")
        connection = self._open("ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if not isinstance(error, sqlite3.OperationalError):
                raise
            # A log file cannot be made beside it: on a read-only disk nobody writes, so none is needed.
            return self._open("ro&immutable=1")
        return connection

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _pragma(self, name: str) -> Any:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    def _prepare(self) -> None:
        version = self._version()
        if version < len(self._migrations):
            if self.read_only and version == 0:
                raise UsageError(f"store {self.path} is empty; run `eval` or `collect` with it first")
            if self.read_only:
                raise UsageError(
                    f"store {self.path} is of an older version; bring it up to date with"
                    f" `kernel-harness runs --upgrade --store {self.path}`, which keeps a copy beside it"
                )
            self._migrate()
        if not self.read_only:
            self._use_log()
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")

    def _version(self) -> int:
        """Return the schema version, 0 for an empty file; raise for what is newer or not ours."""
        version = int(self._pragma("user_version"))
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise UsageError(f"{self.path} is another program's database; give another with --store FILE")
        if version > len(self._migrations):
            raise UsageError(
                f"store {self.path} was written by a newer kernel-harness (schema {version}, this one "
                f"knows {len(self._migrations)}); upgrade kernel-harness or give another with --store FILE"
            )
        return version

    def _migrate(self) -> None:
        with self._writing() as connection:
            version = self._version()
            if 0 < version < len(self._migrations):
                self._back_up(version)
            for script in self._migrations[version:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _back_up(self, version: int) -> None:
        copy = self.path.with_name(f"{self.path.name}.v{version}.bak")
        with self._open("ro") as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()

    def _use_log(self) -> None:
        # SQLite does not wait here when another process switches at the same moment.
        deadline = time.monotonic() + BUSY_SECONDS
        while self._pragma("journal_mode") != "wal":
            try:
                self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if not str(error).startswith("database is locked") or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _query(self, sql: str, arguments: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return every row of a SELECT."""
        with self._lock:
            try:
                return self._connection.execute(sql, arguments).fetchall()
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that waits for other writers: all of it is kept, or none.

        Inside another one of the same thread it is a part of that.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise explain(error, self.path) from error
