"""The live page over a real socket: what it shows, what it refuses, and that it never writes."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from sample_attempts import H100, attempt, failed, filled, incorrect, passed, rejected, timing
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import EnvironmentFailure, UsageError
from harness.serve.filters import Filters, filters_of
from harness.store import Store

pytest.importorskip("starlette", reason="needs the extra `serve`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

ROWS = [
    *(attempt(n, passed(timing(2.0 + n / 100)), model="alpha") for n in range(60)),
    *(attempt(100 + n, incorrect(), model="beta", problem="norm") for n in range(60)),
    attempt(300, rejected("tampering"), model="beta"),
    attempt(301, failed("extract"), model="beta"),
    attempt(302, None, model="beta"),
]


class Served:
    """A server in a process of its own."""

    def __init__(self, store):
        code = "from harness.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", "0", "--store", str(store)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        self.url = self.process.stdout.readline().strip()

    def get(self, path, method="GET", **headers):
        request = urllib.request.Request(self.url.rstrip("/") + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    def json(self, path):
        status, _, text = self.get(path)
        assert status == 200, text
        return json.loads(text)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "s.db"
    filled(path, ROWS).close()
    return path


@pytest.fixture(scope="module")
def served(path):
    server = Served(path)
    yield server
    server.stop()


def test_nobody_else_can_ask_unless_told_otherwise(served):
    assert served.url.startswith("http://127.0.0.1:")


def test_the_page_holds_the_views_of_the_report(served):
    status, _, text = served.get("/")
    assert status == 200
    for words in ("Leaderboard", "Speed", "Outcomes", H100, "123 attempts, page 1 of 2"):
        assert words in text
    assert text.count('<details class="attempt"') == 100


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 123),
        ("?model=alpha", 60),
        ("?problem=norm&status=incorrect", 60),
        ("?status=rejected&status=failed", 2),
        ("?q=tampering", 1),
        ("?status=error", 1),
        ("?model=nobody", 0),
        ("?legal=yes", 60),
        ("?page=2", 123),
        ("?page=no", 123),
    ],
)
def test_the_address_chooses(served, query, total):
    assert served.json(f"/api/attempts{query}")["total"] == total
    plural = "" if total == 1 else "s"
    assert f"{total} attempt{plural}" in served.get(f"/{query}")[2]


def test_pages_hold_every_attempt_once(served):
    pages = [served.json(f"/api/attempts?page={page}") for page in (1, 2, 3)]
    ids = [row["id"] for page in pages for row in page["attempts"]]
    assert ([len(page["attempts"]) for page in pages], len(set(ids))) == ([100, 23, 0], 123)
    fastest = pages[0]["attempts"][0]
    assert (fastest["model"], fastest["speedup_eager"]) == ("alpha", pytest.approx(2.59))


def test_the_leaderboard_is_that_of_the_command(served, path):
    rows = served.json("/api/leaderboard")
    printed = (
        CliRunner().invoke(app, ["leaderboard", "--json", "--store", str(path)], standalone_mode=False).stdout
    )
    assert rows == [json.loads(line) for line in printed.splitlines()]
    assert {row["problem"] for row in served.json("/api/leaderboard?model=alpha")} == {"scan"}
    assert {row["problem"] for row in served.json("/api/leaderboard?overall")} == {None}


def test_status_narrows_the_list_and_no_score(served):
    assert served.json("/api/leaderboard?status=passed") == served.json("/api/leaderboard")


def test_one_attempt_in_full_and_by_its_page(served):
    name = served.json("/api/attempts?q=tampering")["attempts"][0]["id"]
    assert served.json(f"/api/attempts/{name}")["verdict"]["reason"] == "tampering"
    status, _, text = served.get(f"/attempts/{name}")
    assert (status, text.count('<details class="attempt"')) == (200, 1)


@pytest.mark.parametrize("address", ["/attempts/none", "/api/attempts/none", "/?run=none"])
def test_what_is_not_there_is_404_and_says_so(served, address):
    status, _, text = served.get(address)
    assert status == 404
    assert "no attempt" in text or "no run" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(served, method):
    assert served.get("/", method)[0] == 405


def test_another_sites_name_for_this_machine_is_refused(served):
    assert served.get("/", Host="evil.example")[0] == 400


@pytest.mark.parametrize("address", ["/", "/api/runs", "/attempts/none"])
def test_every_answer_carries_the_policy(served, address):
    headers = {name.lower(): value for name, value in served.get(address)[1].items()}
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_text_in_the_address_stays_text(served):
    text = served.get("/?q=" + quote('"><script>alert(1)</script>'))[2]
    assert "<script>alert" not in text
    assert "0 attempts" in text


def events(served, number):
    with urllib.request.urlopen(f"{served.url}events", timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = (line.decode() for line in stream)
        for _ in range(number):
            yield json.loads(next(line for line in lines if line.startswith("data: "))[6:])


def test_events_follow_a_run(tmp_path):
    path = tmp_path / "s.db"
    filled(path, ROWS[:3]).close()
    server = Served(path)
    try:
        follow = events(server, 2)
        first = next(follow)
        assert (first["attempts"], first["running"]) == (3, [])
        with Store(path) as store, store.run("kernel-harness eval more"):
            filled(path, ROWS[3:5]).close()
            second = next(follow)
            while second["attempts"] < 5 or not second["running"]:
                second = next(events(server, 1))
        assert (second["attempts"], second["running"]) == (5, ["kernel-harness eval more"])
        assert second["gpus_busy"] == [H100]
        follow.close()
    finally:
        server.stop()


def test_a_new_attempt_is_on_the_next_page_and_a_struck_one_is_not(tmp_path):
    path = tmp_path / "s.db"
    filled(path, ROWS[:2]).close()
    server = Served(path)
    try:
        assert "2 attempts" in server.get("/")[2]
        filled(path, ROWS[2:3]).close()
        assert "3 attempts" in server.get("/")[2]
        with Store(path) as store:
            store.void(next(store.attempts()).id, "a test")
        text = server.get("/")[2]
        assert "2 attempts" in text
        assert "1 voided" in text
        assert server.json("/api/leaderboard")[0]["attempts"] == 2
    finally:
        server.stop()


def test_an_empty_store_is_a_page_too(tmp_path):
    path = tmp_path / "s.db"
    Store(path).close()
    server = Served(path)
    try:
        assert "There are no attempts" in server.get("/")[2]
        assert server.json("/api/leaderboard") == []
    finally:
        server.stop()


def test_the_store_is_not_changed(served, path):
    before = path.read_bytes()
    served.get("/")
    assert path.read_bytes() == before


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


def test_a_missing_store_and_a_taken_port_are_said(tmp_path, served, path):
    missing = run("serve", "--store", tmp_path / "none.db")
    assert isinstance(missing.exception, UsageError)
    port = served.url.rstrip("/").rsplit(":", 1)[1]
    taken = run("serve", "--store", path, "--port", port)
    assert isinstance(taken.exception, EnvironmentFailure)
    assert "--port" in str(taken.exception)


def test_the_address_of_filters_leads_back_to_them():
    filters = Filters(model="a b", status=("passed", "failed"), q="x&y", page=3)
    query = dict.fromkeys(("model", "q", "page"), "") | {"model": "a b", "q": "x&y", "page": "3"}
    assert filters_of(query, ["passed", "failed"]) == filters
    assert filters.address() == "/?model=a+b&status=passed&status=failed&q=x%26y&page=3"
    assert Filters(page=1).address() == "/"
