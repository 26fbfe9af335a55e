"""A new evaluator's verdicts stand beside the old ones; what was struck stays struck."""

import json

import pytest
from sample_attempts import attempt, failed, filled
from typer.testing import CliRunner

from eval import EVALUATOR_VERSION
from harness.cli import app
from harness.errors import UsageError
from harness.problems import load_problem
from harness.store import Store

PROBLEM = "cumsum_exclusive"
TEXT = load_problem(PROBLEM).problem.hash


def old(number, evaluator="0", text="I would rather not.", **fields):
    return attempt(
        number,
        failed("parse", device="cpu"),
        problem=PROBLEM,
        device="cpu",
        stage=None,
        evaluator=evaluator,
        text=text,
        candidate=None,
        **fields,
    )


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


def test_the_old_verdict_stays_and_the_row_of_the_reply_too(path):
    filled(path, [old(1), old(2)], TEXT).close()
    result = run("rescore", "--device", "cpu", "--json", "--store", path)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["phase"], line["before"]["status"]) for line in lines] == [("extract", "failed")] * 2
    with Store(path, read_only=True) as store:
        facts = list(store.facts())
        assert len(list(store.replies())) == 2
    assert sorted((one.evaluator, one.kind) for one in facts) == [
        *[("0", "parse")] * 2,
        *[(EVALUATOR_VERSION, "extract")] * 2,
    ]
    assert len({one.reply for one in facts}) == 2
    assert "2 unchanged" in result.stderr


@pytest.mark.parametrize(
    ("evaluator", "text", "stale"),
    [(EVALUATOR_VERSION, TEXT, 0), ("0", TEXT, 1), (EVALUATOR_VERSION, "old", 1)],
)
def test_what_is_stale(path, evaluator, text, stale):
    filled(path, [old(1, evaluator)], text).close()
    result = run("rescore", "--device", "cpu", "--dry-run", "--store", path)
    assert result.stderr.startswith(f"{stale} results")


def test_what_was_rescored_is_not_stale_and_the_second_time_does_nothing(path):
    filled(path, [old(1)], TEXT).close()
    run("rescore", "--device", "cpu", "--store", path)
    assert run("rescore", "--device", "cpu", "--store", path).stderr.startswith("0 results")
    (row,) = map(json.loads, run("leaderboard", "--json", "--store", path).stdout.splitlines())
    assert (row["attempts"], row["evaluator"], row["stale"]) == (1, EVALUATOR_VERSION, False)


def test_what_was_struck_is_not_judged_again(path):
    filled(path, [old(1)], TEXT).close()
    with Store(path) as store:
        victim = next(store.attempts()).id
    struck = run("void", victim[:6], "--why", "a test of the endpoint", "--store", path)
    assert "struck from scores: a test of the endpoint" in struck.stdout
    assert run("rescore", "--device", "cpu", "--store", path).stderr.startswith("0 results")
    assert "struck from scores: a test of the endpoint" in run("show", victim, "--store", path).stdout


def test_a_problem_that_is_not_here_keeps_nothing_else_from_being_judged(path):
    filled(path, [old(1)], TEXT).close()
    filled(path, [attempt(2, failed("parse", device="cpu"), device="cpu", stage=None)], TEXT).close()
    result = run("rescore", "--device", "cpu", "--dry-run", "--store", path)
    assert "not judged again: unknown problem 'scan'" in result.stderr
    assert "1 results to judge again" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rescore", "--problem", "cumsum_exc"], "nearest: cumsum_exclusive"),
        (["void", "ffff", "--why", "x"], "no attempt"),
        (["void", "0", "--why", " "], "say why"),
    ],
)
def test_what_the_user_got_wrong_is_said(path, arguments, message):
    filled(path, [old(1)], TEXT).close()
    result = run(*arguments, "--store", path)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


@pytest.mark.parametrize("arguments", [["rescore"], ["void", "1", "--why", "x"]])
def test_a_missing_store_is_not_made(tmp_path, arguments):
    result = run(*arguments, "--store", tmp_path / "none.db")
    assert isinstance(result.exception, UsageError)
    assert list(tmp_path.iterdir()) == []
