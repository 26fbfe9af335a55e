"""The columns that scores read hold what the verdicts say."""

import sqlite3

import pytest
from sample_attempts import attempt, failed, filled, incorrect, key_of, passed, prompt, rejected, timing

from eval.records import Violation
from harness.scores import facts_of
from harness.store import Answer, CallKey, Store
from harness.store.database import Database
from harness.store.schema import MIGRATIONS

SCOPE = Violation(rule="scope", track="stage", severity="error", message="m")
ROWS = [
    attempt(1, passed(timing(3.0, 1.6, 2.5, fraction=0.9), stage=False)),
    attempt(2, incorrect("shape")),
    attempt(3, rejected("tampering", violations=(SCOPE, SCOPE))),
    attempt(4, failed("extract")),
    attempt(5, None),
    attempt(6, passed(device="cpu", stage=None), stage=None),
    attempt(7, passed(timing(2.0, fraction=float("nan")), gpu="NVIDIA L4"), size="8gb"),
]


def comparable(facts):
    return facts._replace(id="", reply="", created="", problem_hash=None)


def test_facts_of_the_store_are_those_of_the_attempts(tmp_path):
    with filled(tmp_path / "s.db", ROWS) as store:
        assert [comparable(f) for f in store.facts()] == [comparable(facts_of(row)) for row in ROWS]


def test_struck_attempts_are_marked(tmp_path):
    with filled(tmp_path / "s.db", ROWS[:2]) as store:
        store.void(next(store.attempts()).id, "wrong clock")
        assert [facts.void for facts in store.facts()] == [True, False]


def test_facts_of_a_run_are_those_that_it_judged(tmp_path):
    with filled(tmp_path / "s.db", ROWS[:1]) as store:
        (first,) = store.runs()
        with store.run("another") as second:
            assert list(store.facts(run=second)) == []
        assert len(list(store.facts(run=first.id))) == 1


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 7}, 7),
        ({"prompt_tokens": 3, "completion_tokens": 4}, 7),
        ({"input_tokens": 5, "output_tokens": 2}, 7),
        ({}, None),
        ({"prompt_tokens": 3}, None),
    ],
)
def test_tokens_and_cost_come_from_the_ledger(tmp_path, usage, tokens):
    with Store(tmp_path / "s.db") as store, store.run("collect") as run:
        store.save_prompt(prompt())
        call = CallKey(model="m", parameters={}, prompt_hash=prompt().hash, sample=0)
        claim = store.claim(run, call, prompt(), "http://127.0.0.1/v1")
        store.keep_answer(claim.reply_id, Answer(text="x", usage=usage, cost=0.5))
        store.save_attempt(
            run, store.reply(claim.reply_id), key_of(ROWS[1]), candidate=None, verdict=ROWS[1].verdict
        )
        (facts,) = store.facts()
    assert (facts.tokens, facts.cost) == (tokens, 0.5)


def test_a_store_from_before_knows_which_baselines_were_of_the_session(tmp_path):
    path = tmp_path / "s.db"
    times = timing(2.0).model_copy(update={"baselines": "session"})
    rows = [attempt(1, passed(times), baselines="session"), attempt(2, passed(timing(3.0)))]
    with filled(path, rows) as store:
        now = list(store.facts())
        assert [facts.baselines for facts in now] == ["session", "live"]
        assert [one.baselines for one in store.attempts()] == ["session", "live"]
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE quarantine")
        old.execute("ALTER TABLE attempts DROP COLUMN baselines")
        old.execute("PRAGMA user_version = 3")
    old.close()
    with Store(path) as store:
        assert list(store.facts()) == now


def test_a_store_from_before_gets_its_columns_and_a_backup(tmp_path):
    path = tmp_path / "s.db"
    with filled(path, ROWS) as store:
        now = [facts._replace(created="") for facts in store.facts()]
    with sqlite3.connect(path) as old:
        before = old.execute("SELECT * FROM measures").fetchall()
        old.execute("DROP TABLE measures")
        old.execute("PRAGMA user_version = 2")
    old.close()
    # Only up to the migration that made the columns: what came after is not undone here.
    Database(path, migrations=MIGRATIONS[:3]).close()
    with sqlite3.connect(path) as new:
        assert [row[:-1] for row in new.execute("SELECT * FROM measures")] == [row[:-1] for row in before]
        new.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    new.close()
    with Store(path, read_only=True) as store:
        assert [facts._replace(created="") for facts in store.facts()] == now
    assert (tmp_path / "s.db.v2.bak").exists()
