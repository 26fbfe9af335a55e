"""What becomes of a bought reply: claims, killed processes, replies bought again, replies imported."""

import os
import signal
import subprocess
import sys

import pytest

from harness.errors import EnvironmentFailure
from harness.records import Prompt, Reply
from harness.store import Answer, CallKey, Store
from harness.store.database import Database
from harness.store.schema import MIGRATIONS

PROMPT = Prompt(hash="p1", text="make it fast", problem="cumsum_exclusive", stage="tuning", gpu="4090")


def key(sample=0, **changes):
    return CallKey(**{"model": "m", "parameters": {}, "prompt_hash": "p1", "sample": sample} | changes)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        opened.save_prompt(PROMPT)
        yield opened


@pytest.fixture
def run(store):
    return store.start_run("test")


@pytest.fixture
def bought(store, run):
    def buy(text="text", sample=0, *, fresh=False, **more):
        claim = store.claim(run, key(sample), PROMPT, "here", fresh=fresh)
        assert claim.state == "ours"
        store.keep_answer(claim.reply_id, Answer(text=text, **more), replace=fresh)
        return claim.reply_id

    return buy


def test_tries_cost_and_kind_of_error_are_kept(store, run, bought):
    row = store.reply(bought(tries=3, cost=0.25))
    assert (row.tries, row.cost, row.error_kind) == (3, 0.25, None)
    claim = store.claim(run, key(1), PROMPT, "here")
    store.keep_failure(claim.reply_id, "HTTP 429", Answer(tries=6), kind="rate_limit")
    row = store.reply(claim.reply_id)
    assert (row.state, row.tries, row.error_kind) == ("failed", 6, "rate_limit")


def test_bought_again_on_purpose_replaces_and_keeps_the_older(store, run, bought):
    first = bought("old")
    assert store.claim(run, key(), PROMPT, "here").state == "kept"
    second = bought("new", fresh=True)
    assert [row.reply.text for row in store.replies()] == ["new"]
    assert [(row.id, row.reply.text) for row in store.replies(state="replaced")] == [(first, "old")]
    assert store.received([key().hash]) == {key().hash: second}


def test_fresh_call_that_failed_leaves_the_older_reply(store, run, bought):
    bought("old")
    claim = store.claim(run, key(), PROMPT, "here", fresh=True)
    store.keep_failure(claim.reply_id, "HTTP 500")
    assert [row.reply.text for row in store.replies()] == ["old"]


def test_one_call_has_one_reply_whatever_happens(store, run, bought):
    late = store.claim(run, key(), PROMPT, "here").reply_id
    store._connection.execute("UPDATE replies SET state = 'unknown' WHERE id = ?", (late,))
    bought("first")
    store.keep_answer(late, Answer(text="second"))
    assert [row.reply.text for row in store.replies()] == ["first"]
    assert [row.reply.text for row in store.replies(state="duplicate")] == ["second"]


def test_received_finds_many_keys(store, bought):
    rows = {key(sample).hash: bought(sample=sample) for sample in range(7)}
    asked = [key(sample).hash for sample in range(1200)]
    assert store.received(asked) == rows


def test_run_has_what_it_bought_and_what_it_found(store, run, bought):
    first = bought("a", 0)
    second = bought("b", 1)
    later = store.start_run("later")
    store.claim(later, key(0), PROMPT, "here")
    assert [row.id for row in store.run_replies(run)] == [first, second]
    assert [row.id for row in store.run_replies(later)] == [first]
    store.meet(later, [second, first])
    assert [row.id for row in store.run_replies(later)] == [first, second]


def test_another_name_is_another_model(store, run, bought):
    bought()
    assert store.claim(run, key(name="m"), PROMPT, "here").state == "kept"
    claim = store.claim(run, key(name="m at home"), PROMPT, "here")
    assert (claim.state, store.reply(claim.reply_id).reply.model) == ("ours", "m at home")


def test_writing_together_is_one_transaction(store, run):
    def claim_two():
        with store.together():
            store.claim(run, key(), PROMPT, "here")
            store.claim("no such run", key(1), PROMPT, "here")

    with pytest.raises(EnvironmentFailure):
        claim_two()
    assert list(store.replies(state="pending")) == []
    with store.together():
        store.claim(run, key(0), PROMPT, "here")
        store.claim(run, key(1), PROMPT, "here")
    assert len(list(store.replies(state="pending"))) == 2


CLAIM_AND_WAIT = """
import sys, time
from harness.records import Prompt
from harness.store import CallKey, Store
prompt = Prompt(hash="p1", text="", problem="p", stage="s", gpu="g")
with Store(sys.argv[1]) as store:
    run = store.start_run("victim")
    for sample in range(3):
        store.claim(run, CallKey(model="m", parameters={}, prompt_hash="p1", sample=sample), prompt, "here")
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_calls_of_the_dead_become_unknown_and_those_of_the_living_do_not(store, run):
    mine = store.claim(run, key(9), PROMPT, "here").reply_id
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT, str(store.path)], stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout.readline() == "claimed\n"
        store.settle()
        assert len(list(store.replies(state="pending"))) == 4
        assert store.claim(run, key(0), PROMPT, "here").state == "elsewhere"
        os.kill(victim.pid, signal.SIGKILL)
    store.settle()
    assert [row.id for row in store.replies(state="pending")] == [mine]
    assert [row.error for row in store.replies(state="unknown")] == ["the collector was killed"] * 3
    assert store.claim(run, key(0), PROMPT, "here").state == "ours"


def test_call_in_a_batch_file_waits_for_its_output(store, run):
    first = store.submit(run, key(), PROMPT, "batch.jsonl")
    assert first.state == "ours"
    assert store.submit(run, key(), PROMPT, "batch.jsonl").reply_id == first.reply_id
    assert store.claim(run, key(), PROMPT, "here").state == "submitted"
    assert store.submitted(key().hash) == first.reply_id
    assert store.submitted(key(1).hash) is None
    store.keep_answer(first.reply_id, Answer(text="from the batch"))
    assert store.claim(run, key(), PROMPT, "here").state == "kept"


def test_batch_output_after_the_call_was_bought_directly_is_a_duplicate(store, run, bought):
    waiting = store.submit(run, key(), PROMPT, "batch.jsonl").reply_id
    bought("direct", fresh=True)
    store.keep_answer(waiting, Answer(text="from the batch"))
    assert [row.reply.text for row in store.replies()] == ["direct"]
    assert store.reply(waiting).state == "duplicate"


def test_imported_reply_is_known_again_wherever_its_file_lies(store, run):
    reply = Reply(model="m", sample=3, text="text", source="a.jsonl#1", problem="p")
    first, new = store.import_reply(run, reply, "3", Answer(text="text", cost=0.5))
    assert (new, store.reply(first).cost, store.reply(first).state) == (True, 0.5, "received")
    moved = reply.model_copy(update={"source": "elsewhere/b.jsonl#7"})
    later = store.start_run("later")
    assert store.import_reply(later, moved, "3", Answer(text="text")) == (first, False)
    assert [row.id for row in store.run_replies(later)] == [first]
    other = reply.model_copy(update={"text": "other"})
    assert store.import_reply(run, other, "3", Answer(text="other"))[1]


def test_store_of_the_first_version_keeps_its_replies(tmp_path):
    path = tmp_path / "old.db"
    with Database(path, migrations=MIGRATIONS[:1]) as old, old._writing() as connection:
        connection.execute("INSERT INTO runs VALUES ('r', 'collect', '{}', 'done', 'h:1:', 'then', NULL)")
        connection.execute(
            "INSERT INTO replies (key, run, state, owner, model, sample, parameters, is_code, text, usage,"
            " extra, created)"
            " VALUES (?, 'r', 'received', 'h:1:', 'm', 0, '{}', 0, 'old', '{}', '{}', 'then')",
            (key().hash,),
        )
    with Store(path) as store:
        (row,) = store.run_replies("r")
        assert (row.reply.text, row.tries, row.cost) == ("old", 1, None)
        assert store.claim("r", key(), PROMPT, "here").state == "kept"
