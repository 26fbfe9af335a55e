"""docs/store.md names every table and column, and its queries run."""

import re
import sqlite3
from pathlib import Path

import pytest
from sample_attempts import attempt, filled, passed, rejected, timing

from eval.records import Violation
from harness.store.schema import APPLICATION_ID

TEXT = (Path(__file__).parent.parent / "docs/store.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
IMPORTS = Violation(rule="imports", track="open", severity="error", message="m")


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "s.db"
    rows = [attempt(1, passed(timing(2.0))), attempt(2, rejected(violations=(IMPORTS,)))]
    filled(path, rows).close()
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def test_every_table_and_column_is_explained(database):
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    paragraphs = {name: line for line in TEXT.splitlines() for name in re.findall(r"\*\*(\w+)\*\*", line)}
    assert set(tables) <= set(paragraphs)
    for table in tables:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        missing = [name for name in columns if f"`{name}`" not in paragraphs[table]]
        assert not missing, table


def test_the_marks_of_a_store(database):
    assert database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert f"0x{APPLICATION_ID:X}" in TEXT


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_queries_give_rows(database, query):
    assert database.execute(query).fetchall()
