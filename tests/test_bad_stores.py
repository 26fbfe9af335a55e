"""Every command that reads a store, at every store that is odd: an answer or one clear line, and no harm."""

import json
import sqlite3

import pytest
from sample_attempts import attempt as any_attempt
from sample_attempts import failed, filled, incorrect, passed, rejected, timing
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import EnvironmentFailure, UsageError
from harness.store import Store
from harness.store.database import Database
from harness.store.schema import MIGRATIONS

READERS = {
    "leaderboard": ["leaderboard", "--json"],
    "tables": ["leaderboard"],
    "overall": ["leaderboard", "--overall", "--json"],
    "report": ["report", "--output", "{folder}/out.html"],
    "runs": ["runs", "--json"],
    "jsonl": ["export"],
    "sft": ["export", "--format", "sft"],
    "csv": ["export", "--format", "csv"],
    "rescore": ["rescore", "--dry-run", "--device", "cpu"],
}


def attempt(number, verdict, **fields):
    return any_attempt(number, verdict, problem="cumsum_exclusive", **fields)


ALONE = attempt(1, passed(timing(2.0)), model="a")
ODD = {
    "empty": [],
    "one attempt": [ALONE],
    "all failed": [attempt(1, failed("extract")), attempt(2, incorrect()), attempt(3, rejected())],
    "errors of ours alone": [attempt(1, None), attempt(2, None)],
    "one GPU missing": [
        ALONE,
        attempt(2, passed(timing(3.0), gpu="NVIDIA L4"), model="a"),
        attempt(3, passed(timing(2.5)), model="b"),
    ],
    "a GPU without a name": [attempt(1, passed(timing(2.0), gpu=None))],
}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


def read(name, path):
    return run(*(word.format(folder=path.parent) for word in READERS[name]), "--store", path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", READERS)
def test_an_odd_store_is_read_and_not_changed(path, name, rows):
    filled(path, rows).close()
    before = path.read_bytes()
    result = read(name, path)
    assert result.exception is None
    assert path.read_bytes() == before


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
def test_a_row_has_a_speed_only_where_one_was_measured(path, rows):
    filled(path, rows).close()
    measured = {row.gpu_name for row in rows if row.verdict is not None and row.verdict.timing is not None}
    for line in map(json.loads, read("leaderboard", path).stdout.splitlines()):
        assert (line["best_speedup"]["eager"] is not None) == (line["gpu"] in measured)


def test_a_model_that_one_gpu_has_not_seen_has_a_row_on_the_other_alone(path):
    filled(path, ODD["one GPU missing"]).close()
    found = run("compare", "a", "b", "--json", "--store", path)
    assert found.exception is None
    assert "NVIDIA H100" in found.stdout
    assert "NVIDIA L4" not in found.stdout
    assert read("report", path).exception is None
    page = (path.parent / "out.html").read_text()
    assert page.count('aria-label="Leaderboard of') == 2


@pytest.mark.parametrize("arguments", [["compare", "a", "b"], ["show", "00"], ["export", "--bundle", "00"]])
def test_what_an_empty_store_cannot_give_is_said(path, arguments):
    Store(path).close()
    result = run(*arguments, "--store", path)
    assert isinstance(result.exception, UsageError)
    assert not (path.parent / "00").exists()


SPOILT = {
    "no database": lambda path: path.write_bytes(b"not a database at all" * 500),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "overwritten inside": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 60_000),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("name", READERS)
def test_a_corrupt_file_is_a_clear_error_and_nothing_is_overwritten(path, name, spoil):
    filled(path, ODD["all failed"]).close()
    spoil(path)
    before = path.read_bytes()
    result = read(name, path)
    assert isinstance(result.exception, EnvironmentFailure)
    assert "damaged" in str(result.exception)
    assert path.read_bytes() == before
    assert not (path.parent / "out.html").exists()


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_corrupt_file_is_not_written_to_either(path, spoil):
    filled(path, ODD["all failed"]).close()
    spoil(path)
    before = path.read_bytes()
    result = run("void", "000001", "--why", "x", "--store", path)
    assert isinstance(result.exception, EnvironmentFailure)
    assert path.read_bytes() == before


@pytest.fixture
def older(path):
    """A store of an older version: without the table that scores read."""
    filled(path, ODD["all failed"]).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE measures")
        connection.execute("DROP TABLE quarantine")
        connection.execute("ALTER TABLE attempts DROP COLUMN baselines")
        connection.execute("PRAGMA user_version = 2")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path


@pytest.mark.parametrize("name", READERS)
def test_an_older_store_is_refused_by_what_only_reads_with_the_way_out(older, name):
    before = older.read_bytes()
    result = read(name, older)
    assert isinstance(result.exception, UsageError)
    assert "runs --upgrade" in str(result.exception)
    assert older.read_bytes() == before


def test_the_way_out_migrates_with_a_backup_and_loses_nothing(older):
    before = older.read_bytes()
    upgraded = run("runs", "--upgrade", "--json", "--store", older)
    assert upgraded.exception is None
    backup = older.with_name("s.db.v2.bak")
    assert backup.exists()
    with sqlite3.connect(backup) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (2,)
        assert kept.execute("SELECT count(*) FROM attempts").fetchone() == (3,)
    kept.close()
    assert older.read_bytes() != before
    assert '"attempts": 3' in read("leaderboard", older).stdout
    backup.unlink()
    assert run("runs", "--upgrade", "--json", "--store", older).stdout == upgraded.stdout
    assert not backup.exists()


def test_an_upgrade_makes_no_store_and_touches_no_newer_one(path):
    assert isinstance(run("runs", "--upgrade", "--store", path).exception, UsageError)
    assert not path.exists()
    Database(path, migrations=[*MIGRATIONS, "CREATE TABLE later (a)"]).close()
    before = path.read_bytes()
    assert "newer" in str(run("runs", "--upgrade", "--store", path).exception)
    assert path.read_bytes() == before
