"""Datasette, which nobody here wrote, opens a store and answers the queries that docs/store.md gives."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from sample_attempts import attempt, filled, passed, rejected, timing

from eval.records import Violation

PROGRAM = shutil.which("datasette")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="needs datasette: pip install datasette"),
]
QUERIES = re.findall(r"```sql\n(.*?)```", Path("docs/store.md").read_text(encoding="utf-8"), re.DOTALL)
IMPORTS = Violation(rule="imports", track="open", severity="error", message="m")
ROWS = [attempt(1, passed(timing(2.0))), attempt(2, rejected(violations=(IMPORTS,)))]
PATIENCE_S = 60


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("datasette") / "kernel-harness.db"
    filled(path, ROWS).close()
    return path


@pytest.fixture(scope="module", params=[(), ("--immutable",)], ids=["mutable", "immutable"])
def served(path, request):
    with subprocess.Popen(
        [PROGRAM, "serve", *request.param, str(path), "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)
            yield next(filter(None, found))[0]
        finally:
            process.kill()


def ask(url):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            # It says its address a moment before it listens.
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_the_tables_and_their_rows_are_there(path):
    printed = subprocess.run(
        [PROGRAM, "inspect", str(path)], check=True, capture_output=True, text=True
    ).stdout
    tables = json.loads(printed)["kernel-harness"]["tables"]
    assert {name: tables[name]["count"] for name in ("attempts", "verdicts", "measures", "replies")} == {
        "attempts": 2,
        "verdicts": 2,
        "measures": 2,
        "replies": 2,
    }


def test_a_table_is_a_page(served):
    rows = ask(f"{served}/kernel-harness/verdicts.json?_shape=array")
    assert [row["status"] for row in rows] == ["passed", "rejected"]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_queries_of_the_page_give_rows(served, query):
    words = urllib.parse.urlencode({"sql": query.strip().rstrip(";"), "_shape": "array"})
    assert ask(f"{served}/kernel-harness.json?{words}")
