"""The store keeps what is written, once, and never touches what it does not understand."""

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eval.records import Environment, Failed, Incorrect, Passed, Tracks, VariantResult, Violation
from harness.errors import EnvironmentFailure, UsageError
from harness.records import Candidate, Prompt, Reply
from harness.store import Answer, CallKey, JudgeKey, Store
from harness.store.database import Database
from harness.store.schema import MIGRATIONS

PROMPT = Prompt(
    hash="p1", text="make it fast", problem="cumsum_exclusive", stage="tuning", gpu="4090", code="x = 1\n"
)
KEY = JudgeKey(
    candidate_hash="c1",
    problem="cumsum_exclusive",
    problem_hash="h1",
    stage="tuning",
    device="cpu",
    evaluator="1",
)
PASSED = Passed(
    device="cpu",
    tracks=Tracks(open=True, stage=False),
    violations=(Violation(rule="scope", track="stage", severity="error", message="fused", line=3, column=0),),
    variants=(VariantResult(case="dim0", status="passed"),),
    environment=Environment(evaluator="1", python="3.11"),
    seconds=1.5,
)


def call(sample=0, **changes):
    return CallKey(
        **{"model": "m", "parameters": {"temperature": 1.0}, "prompt_hash": "p1", "sample": sample} | changes
    )


def imported(text="reply", **changes):
    return Reply(**{"model": "local", "sample": 0, "text": text, "source": "a.md"} | changes)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def run(store):
    return store.start_run("kernel-harness eval a.md")


def buy(store, run, key, text="hello"):
    claim = store.claim(run, key, PROMPT, "http://x/v1")
    assert claim.state == "ours"
    store.keep_answer(claim.reply_id, Answer(text=text, finish_reason="stop", usage={"total_tokens": 3}))
    return store.reply(claim.reply_id)


def attempt(store, run, text="reply", key=KEY, verdict=PASSED, error=None):
    reply = store.save_reply(run, imported(text))
    return store.save_attempt(
        run, reply, key, candidate=Candidate(code="x", first_line=2), verdict=verdict, error=error, gpu="4090"
    )


def test_prompt_round_trip(store):
    store.save_prompt(PROMPT)
    store.save_prompt(PROMPT)
    assert store.prompt("p1") == PROMPT
    assert store.prompt("absent") is None


def test_call_is_a_row_before_it_is_sent(store, run):
    claim = store.claim(run, call(), PROMPT, "http://x/v1")
    row = store.reply(claim.reply_id)
    assert (row.state, row.reply.text, row.reply.prompt_hash, row.parameters) == (
        "pending",
        "",
        "p1",
        {"temperature": 1.0},
    )


def test_answer_is_kept_whole(store, run):
    claim = store.claim(run, call(2), PROMPT, "http://x/v1")
    answer = Answer(
        text="a\x00b \U0001f600",
        finish_reason="length",
        usage={"completion_tokens": 5},
        model_id="m-2026",
        latency_s=0.25,
        extra={"reasoning": "because"},
    )
    store.keep_answer(claim.reply_id, answer)
    row = store.reply(claim.reply_id)
    assert row.state == "received"
    assert row.extra == {"reasoning": "because"}
    assert row.reply == Reply(
        model="m",
        sample=2,
        text="a\x00b \U0001f600",
        prompt_hash="p1",
        model_id="m-2026",
        finish_reason="length",
        usage={"completion_tokens": 5},
        latency_s=0.25,
        source="http://x/v1",
        problem="cumsum_exclusive",
        stage="tuning",
        gpu="4090",
    )


@pytest.mark.parametrize(
    "changes", [{"sample": 1}, {"model": "n"}, {"prompt_hash": "p2"}, {"parameters": {"temperature": 0.5}}]
)
def test_only_the_same_call_is_not_bought_again(store, run, changes):
    bought = buy(store, run, call())
    again = store.claim(run, call(), PROMPT, "http://another/v1")
    assert (again.state, again.reply_id) == ("kept", bought.id)
    assert store.claim(run, call(**changes), PROMPT, "http://x/v1").state == "ours"


def test_failed_call_keeps_what_came_and_is_made_again(store, run):
    first = store.claim(run, call(), PROMPT, "http://x/v1")
    store.keep_failure(first.reply_id, "connection reset", Answer(text="half of"))
    second = store.claim(run, call(), PROMPT, "http://x/v1")
    assert second.state == "ours"
    kept = store.reply(first.reply_id)
    assert (kept.state, kept.reply.text, kept.error) == ("failed", "half of", "connection reset")
    assert list(store.replies()) == []


def test_call_in_flight_in_a_live_process_is_left_to_it(store, run, tmp_path):
    mine = store.claim(run, call(), PROMPT, "http://x/v1")
    with Store(tmp_path / "s.db") as other:
        assert other.claim(run, call(), PROMPT, "http://x/v1") == mine.model_copy(
            update={"state": "elsewhere"}
        )


CLAIM = """
import os, sys
from harness.records import Prompt
from harness.store import CallKey, Store
store = Store(sys.argv[1])
prompt = Prompt(hash="p1", text="t", problem="p", stage="s", gpu="g")
key = CallKey(model="m", parameters={"temperature": 1.0}, prompt_hash="p1", sample=0)
store.claim(store.start_run("killed"), key, prompt, "x")
os.kill(os.getpid(), 9)
"""


def test_call_of_a_killed_process_becomes_unknown_and_is_made_again(store, run):
    assert subprocess.run([sys.executable, "-c", CLAIM, str(store.path)], check=False).returncode == -9
    assert store.claim(run, call(), PROMPT, "http://x/v1").state == "ours"
    assert [row.error for row in store.replies(state="unknown")] == ["the collector was killed"]
    assert [info.state for info in store.runs()] == ["running", "killed"]


def test_call_bought_twice_counts_once(store, run):
    bought = buy(store, run, call())
    late = store.claim(run, call(1), PROMPT, "http://x/v1")
    with store._writing() as connection:
        connection.execute("UPDATE replies SET key = ? WHERE id = ?", (call().hash, late.reply_id))
    store.keep_answer(late.reply_id, Answer(text="again"))
    assert store.reply(late.reply_id).state == "duplicate"
    assert [row.id for row in store.replies()] == [bought.id]


def test_replies_are_filtered_and_paged(store, run):
    for sample in range(450):
        buy(store, run, call(sample, model="even" if sample % 2 == 0 else "odd"))
    assert [row.reply.sample for row in store.replies(model="odd", run=run)] == list(range(1, 450, 2))
    assert list(store.replies(model="odd", problem="another")) == []


def test_same_file_is_one_reply(store, run):
    first = store.save_reply(run, imported(sample=0))
    assert store.save_reply(run, imported(sample=7, source="./b/../a.md")) == first
    assert store.save_reply(run, imported(text="changed")).id != first.id
    assert store.save_reply(run, imported(source="b.md")).id != first.id
    assert store.save_reply(run, imported(text="x", source=None)).reply.source is None


def test_attempt_round_trip(store, run):
    saved = attempt(store, run)
    assert saved == store.attempt(saved.id) == store.attempt(saved.id[:6])
    assert list(store.attempts()) == [saved]
    assert saved.verdict == PASSED
    assert (saved.candidate, saved.gpu, saved.rules) == (Candidate(code="x", first_line=2), "4090", "strict")


@pytest.mark.parametrize(
    "verdict",
    [
        PASSED,
        Incorrect(reason="values", detail="3 of 9 differ"),
        Failed(phase="timeout", seconds=float("inf")),
    ],
)
def test_verdict_is_found_under_its_key(store, run, verdict):
    assert store.find_verdict(KEY) is None
    attempt(store, run, verdict=verdict)
    assert store.find_verdict(KEY) == verdict


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate_hash": "c2"},
        {"problem_hash": "h2"},
        {"stage": None},
        {"stage_hash": "s2"},
        {"current_hash": "k2"},
        {"context_hash": "x2"},
        {"rules": "off"},
        {"device": "cuda", "gpu_name": "H100"},
        {"size": "8gb"},
        {"evaluator": "2"},
    ],
)
def test_verdict_is_found_under_no_other_key(store, run, changes):
    attempt(store, run)
    assert store.find_verdict(KEY.model_copy(update=changes)) is None


def test_our_own_error_is_tried_again(store, run):
    broken = attempt(store, run, verdict=None, error="the GPU fell off")
    assert (broken.verdict, broken.error) == (None, "the GPU fell off")
    assert store.find_verdict(KEY) is None
    mended = attempt(store, run)
    assert (mended.id, mended.verdict, mended.error) == (broken.id, PASSED, None)
    assert attempt(store, run, verdict=None, error="again").verdict == PASSED


def test_attempt_judged_again_is_one_attempt_of_both_runs(store, run):
    first = attempt(store, run)
    later = store.start_run("kernel-harness eval a.md")
    attempt(store, later)
    assert (
        list(store.attempts(run=run)) == list(store.attempts(run=later)) == list(store.attempts()) == [first]
    )
    assert [(info.attempts, info.passed) for info in store.runs()] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 3),
        ({"rules": "strict"}, 2),
        ({"rules": "off"}, 1),
        ({"gpu_name": "H100"}, 1),
        ({"device": "cpu"}, 2),
        ({"problem": "another"}, 0),
        ({"model": "local", "stage": "tuning", "evaluator": "1"}, 3),
    ],
)
def test_attempts_are_filtered(store, run, wanted, found):
    attempt(store, run)
    attempt(store, run, key=KEY.model_copy(update={"rules": "off"}))
    attempt(store, run, key=KEY.model_copy(update={"device": "cuda", "gpu_name": "H100"}))
    assert len(list(store.attempts(**wanted))) == found


def test_void_attempt_is_kept_with_its_reason(store, run):
    struck = store.void(attempt(store, run).id, "wrong driver")
    assert struck.void_reason == "wrong driver"
    assert list(store.attempts()) == []
    assert list(store.attempts(include_void=True)) == [struck]
    assert attempt(store, run).void_reason == "wrong driver"


@pytest.mark.parametrize("name", ["", "zzz"])
def test_unknown_attempt(store, run, name):
    attempt(store, run)
    with pytest.raises(UsageError, match="no attempt"):
        store.attempt(name)


def test_ambiguous_attempt(store, run):
    ids = {attempt(store, run, text=str(number)).id for number in range(17)}
    assert len(ids) == 17
    initials = [name[0] for name in ids]
    twice = next(letter for letter in initials if initials.count(letter) > 1)
    with pytest.raises(UsageError, match="give more of it"):
        store.attempt(twice)


@pytest.mark.parametrize(
    ("error", "state"), [(None, "done"), (KeyboardInterrupt, "interrupted"), (UsageError, "failed")]
)
def test_run_says_how_it_ended(store, error, state):
    def work():
        with store.run("a command", {"samples": 3}):
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    (info,) = store.runs()
    assert (info.state, info.command, info.config, info.ended is None) == (
        state,
        "a command",
        {"samples": 3},
        False,
    )


WRITE = """
import sys
from harness.records import Reply
from harness.store import Store
with Store(sys.argv[1]) as store, store.run("writer") as run:
    for sample in range(100):
        store.save_reply(run, Reply(model=sys.argv[2], sample=sample, text=str(sample)))
"""


def test_two_processes_write_at_once(tmp_path):
    path = str(tmp_path / "new.db")
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, path, name]) for name in ("a", "b", "c")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with Store(path, read_only=True) as store:
        assert sorted((row.reply.model, row.reply.sample) for row in store.replies()) == [
            (name, sample) for name in ("a", "b", "c") for sample in range(100)
        ]


def test_damaged_file_is_named_and_left_alone(tmp_path):
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database at all" * 500)
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailure, match="damaged"):
        Store(path)
    assert path.read_bytes() == before


def test_damaged_page_is_named(tmp_path):
    path = tmp_path / "s.db"
    with Store(path) as store:
        run = store.start_run("x")
        for number in range(40):
            store.save_reply(run, imported("text" * 1000, source=f"{number}.md"))
    content = bytearray(path.read_bytes())
    content[4096 * 4 :] = b"\xff" * (len(content) - 4096 * 4)
    path.write_bytes(content)
    with pytest.raises(EnvironmentFailure, match="damaged"), Store(path, read_only=True) as store:
        list(store.replies())


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(UsageError, match="another program"):
            Store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_newer_store_is_left_alone(tmp_path):
    path = tmp_path / "s.db"
    Database(path, migrations=[*MIGRATIONS, "CREATE TABLE later (a)"]).close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="newer kernel-harness"):
        Store(path)
    assert path.read_bytes() == before


def test_older_store_is_migrated_with_a_backup(tmp_path):
    path = tmp_path / "s.db"
    with Store(path) as store:
        run = store.start_run("first")
    newer = [*MIGRATIONS, "ALTER TABLE runs ADD COLUMN note TEXT; CREATE TABLE later (a);"]
    with pytest.raises(UsageError, match="older version"):
        Database(path, read_only=True, migrations=newer)
    with Database(path, migrations=newer) as database:
        assert [tuple(row) for row in database._query("SELECT id, note FROM runs")] == [(run, None)]
    with Store(tmp_path / f"s.db.v{len(MIGRATIONS)}.bak") as backup:
        assert [info.id for info in backup.runs()] == [run]


def test_migration_that_breaks_changes_nothing(tmp_path):
    path = tmp_path / "s.db"
    Store(path).close()
    with pytest.raises(EnvironmentFailure):
        Database(path, migrations=[*MIGRATIONS, "CREATE TABLE half (a); CREATE TABLE half (a);"])
    with Store(path) as store:
        assert store._query("SELECT * FROM sqlite_master WHERE name = 'half'") == []


@pytest.mark.parametrize("read_only", [True, False])
def test_places_that_cannot_be(tmp_path, read_only):
    with pytest.raises(UsageError, match="is a folder"):
        Store(tmp_path, read_only=read_only)
    with pytest.raises(UsageError, match="does not exist"):
        Store(tmp_path / "absent" / "s.db", read_only=read_only)


def test_reading_where_there_is_no_store(tmp_path):
    with pytest.raises(UsageError, match="no store"):
        Store(tmp_path / "s.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_takes_no_file():
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        Store(Path("/proc/kernel-harness.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_store_in_a_read_only_folder(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    with Store(folder / "s.db") as store:
        store.start_run("x")
    (folder / "s.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        with Store(folder / "s.db", read_only=True) as store:
            assert len(store.runs()) == 1
        with pytest.raises(EnvironmentFailure, match="cannot be written"), Store(folder / "s.db") as store:
            store.start_run("y")
    finally:
        folder.chmod(0o700)


def test_reading_writes_nothing(store, run, tmp_path):
    with Store(tmp_path / "s.db", read_only=True) as reader, pytest.raises(EnvironmentFailure):
        reader.start_run("x")


FILL = """
import sys
from harness.errors import EnvironmentFailure
from harness.records import Reply
from harness.store import Store
with Store(sys.argv[1]) as store:
    run = store.start_run("filler")
    try:
        for sample in range(1000):
            store.save_reply(run, Reply(model="m", sample=sample, text="x" * 20000 + str(sample)))
            print(sample, flush=True)
    except EnvironmentFailure as error:
        sys.exit(f"exit {error.exit_code}: {error}")
"""


def test_full_disk_loses_nothing_that_was_written(tmp_path):
    path = tmp_path / "s.db"
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000)),
    )
    assert done.returncode == 1
    assert "exit 4" in done.stderr
    assert "disk is full" in done.stderr
    written = [int(line) for line in done.stdout.split()]
    assert 10 < len(written) < 1000
    with Store(path, read_only=True) as store:
        assert [row.reply.sample for row in store.replies()] == written


def test_an_empty_file_is_told_as_such_by_what_only_reads(tmp_path):
    path = tmp_path / "s.db"
    path.touch()
    with pytest.raises(UsageError, match="is empty"):
        Store(path, read_only=True)
    Store(path).close()
    Store(path, read_only=True).close()
