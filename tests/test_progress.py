"""What the live page says of runs at work: counted by hand on a real store."""

import subprocess
import sys

import pytest
from sample_attempts import prompt

from eval.records import Incorrect
from harness.serve.progress import progress
from harness.store import Answer, CallKey, JudgeKey, Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        opened.save_prompt(prompt())
        yield opened


def buy(store, run, sample, cost=None):
    key = CallKey(model="m", parameters={}, prompt_hash=prompt().hash, sample=sample)
    claim = store.claim(run, key, prompt(), "http://here/v1")
    if claim.state == "ours":
        store.keep_answer(claim.reply_id, Answer(text=str(sample), cost=cost))
    return store.reply(claim.reply_id)


def judge(store, run, reply):
    key = JudgeKey(
        candidate_hash=str(reply.id), problem="scan", problem_hash="h", device="cpu", evaluator="1"
    )
    store.save_attempt(run, reply, key, candidate=None, verdict=Incorrect(reason="values", device="cpu"))


def test_a_run_at_work(store):
    with store.run("kernel-harness run a.toml") as run:
        replies = [buy(store, run, sample, cost=0.25) for sample in range(5)]
        for reply in replies[:2]:
            judge(store, run, reply)
        flying = CallKey(model="m", parameters={}, prompt_hash=prompt().hash, sample=9)
        store.claim(run, flying, prompt(), "http://here/v1")
        now = progress(store)
    assert (now.running, now.attempts, now.waiting, now.calls_in_flight) == (
        ("kernel-harness run a.toml",), 2, 3, 1,
    )  # fmt: skip
    assert (now.cost, now.gpus_busy) == (1.25, ())
    # Two in the second or so that the run is old: a rate over five whole minutes would be 0.4.
    assert now.per_minute > 0.4
    assert now.seconds_left == pytest.approx(4 * 60 / now.per_minute, rel=0.2)


def test_what_a_resumed_run_found_waits_too(store):
    with store.run("first") as first:
        replies = [buy(store, first, sample) for sample in range(4)]
        judge(store, first, replies[0])
    with store.run("again") as again:
        for sample in range(4):
            buy(store, again, sample)
        assert progress(store).waiting == 4
        judge(store, again, replies[0])
        judge(store, again, replies[1])
        assert progress(store).waiting == 2


def test_where_nothing_runs_nothing_is_left(store):
    with store.run("done") as run:
        judge(store, run, buy(store, run, 0))
        buy(store, run, 1)
    now = progress(store)
    assert (now.running, now.waiting, now.seconds_left, now.cost) == ((), 0, None, None)
    assert now.per_minute == pytest.approx(0.2)


START = "import sys; from harness.store import Store; Store(sys.argv[1]).start_run('killed')"


def test_a_run_whose_process_is_gone_is_not_at_work(store):
    subprocess.run([sys.executable, "-c", START, str(store.path)], check=True)
    assert progress(store).running == ()
    assert [run.state for run in store.runs()] == ["killed"]
