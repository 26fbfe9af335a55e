"""The commands `collect`, `runs` and `show`, run as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from misbehaving import Endpoint, begun, events, refusal, stream

from eval.records import Incorrect, Violation
from harness.records import Candidate, Reply
from harness.store import JudgeKey, Store

KEY = "sk-secret-0123456789abcdef"
HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")
PROMPT = ("cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "4090")


@pytest.fixture
def start(tmp_path):
    """Starts a command with the store in `tmp_path`; ends it with the test."""
    started = []

    def begin(*arguments, key=KEY):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        if key:
            environment["OPENAI_API_KEY"] = key
        command = [*HARNESS, *map(str, arguments), "--store", str(tmp_path / "s.db")]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def harness(start):
    def run(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for 30 s"
        time.sleep(0.02)


def kept(tmp_path):
    if not (tmp_path / "s.db").exists():
        return []
    with Store(tmp_path / "s.db") as store:
        return [row.reply.text for row in store.replies()]


def test_recorded_replies_without_key(harness, tmp_path):
    code, out, err = harness(
        "collect", *PROMPT, "--model", "replay:tests/replies", "--samples", 14, "--json", key=None
    )
    assert code == 0, err
    found = sorted(lines(out), key=lambda line: line["sample"])
    assert [line["model_id"] for line in found][:3] == ["replay/a_1.md", "replay/a_3.md", "replay/a_5.md"]
    assert {(line["problem"], line["stage"], line["gpu"], line["state"]) for line in found} == {
        ("cumsum_exclusive", "final_micro_tuning", "4090", "received")
    }
    assert "replies of replay:tests/replies: 14 of 14" in err
    with Store(tmp_path / "s.db", read_only=True) as store:
        shown = store.prompt(found[0]["prompt"])
    assert shown.text.encode() == Path("tests/golden/final_micro_tuning_4090.txt").read_bytes()


def test_same_command_again_buys_only_what_is_missing(harness):
    endpoint = Endpoint(lambda number, _: refusal(500, "oops") if number == 1 else stream("text"))
    command = (
        "collect",
        *PROMPT,
        "--model",
        "m",
        "--base-url",
        endpoint.url,
        "--max-retries",
        0,
        "--concurrency",
        1,
    )
    code, out, err = harness(*command, "--samples", 3)
    assert (code, "2 of 3 replies" in out, "(2 new, 0 kept, 1 failed)" in out) == (4, True, True)
    assert "sample 1: HTTP 500: oops" in err
    assert "1 call failed; the same command tries again" in err
    code, out, err = harness(*command, "--samples", 4, "--json")
    assert code == 0, err
    assert [(line["sample"], line["state"], line["cached"]) for line in lines(out)] == [
        (0, "kept", True),
        (2, "kept", True),
        (1, "received", False),
        (3, "received", False),
    ]
    assert len(endpoint.seen) == 5


def test_code_by_hand_makes_another_prompt(harness, tmp_path):
    (tmp_path / "mine.py").write_text("import torch\n\n\nclass ModelNew: ...\n")
    command = ("collect", *PROMPT, "--model", "replay:tests/replies", "--json")
    (own,) = lines(harness(*command)[1])
    (other,) = lines(harness(*command, "--code", tmp_path / "mine.py")[1])
    assert own["prompt"] != other["prompt"]
    assert [own["state"], other["state"]] == ["received", "received"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--model", "replay:absent"), 2, "no such folder"),
        (("--model", "replay:tests/replies", "--samples", 15), 2, "there is no sample 14"),
        (("--model", "m", "--base-url", "nonsense"), 2, "no address"),
        (("--model", "m", "--temperature", "-1"), 2, "temperature"),
        (("--model", "m", "--temperature", "nan"), 2, "temperature"),
        (("--model", "m", "--concurrency", "0"), 2, "concurrency"),
        (("--model", "m", "--samples", "0"), 2, "samples"),
        (("--model", "m", "--key-env", "ABSENT_KEY"), 4, "set ABSENT_KEY"),
        ((), 2, "--model"),
        (("--model", "m", "--stage", "no_such_stage"), 2, "no_such_stage"),
    ],
)
def test_wrong_arguments(harness, arguments, code, said):
    found, _, err = harness("collect", *PROMPT, *arguments)
    assert (found, said in err, "Traceback" in err) == (code, True, False), err


def test_key_given_as_a_name_is_not_repeated(harness, tmp_path):
    code, out, err = harness("collect", *PROMPT, "--model", "m", "--key-env", KEY)
    assert (code, KEY in out + err, (tmp_path / "s.db").exists()) == (2, False, False)
    assert "not the key itself" in err


def test_refused_key_is_one_clear_line_and_nowhere_repeated(harness, tmp_path):
    endpoint = Endpoint(lambda *_: refusal(401, f"Incorrect API key provided: {KEY}"))
    url = endpoint.url.replace("//", f"//user:{KEY}@")
    code, out, err = harness("collect", *PROMPT, "--model", "m", f"--base-url={url}", "--samples", 9)
    assert code == 4
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "OPENAI_API_KEY" in error
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Incorrect API key provided: ***" in written
    assert KEY not in out + err
    assert KEY.encode() not in written


def test_killed_collector_loses_no_reply_and_buys_none_again(start, harness, tmp_path):
    release = threading.Event()

    def answer(number, _):
        if number >= 4:
            release.wait(30)
        return stream(f"reply {number}")

    endpoint = Endpoint(answer)
    command = (
        "collect",
        *PROMPT,
        "--model",
        "m",
        "--base-url",
        endpoint.url,
        "--samples",
        12,
        "--concurrency",
        3,
    )
    victim = start(*command)
    wait_for(lambda: len(kept(tmp_path)) == 4 and len(endpoint.seen) == 7)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -9
    assert sorted(kept(tmp_path)) == [f"reply {number}" for number in range(4)]
    release.set()
    code, out, err = harness(*command)
    assert (code, "(8 new, 4 kept)" in out) == (0, True), err
    texts = kept(tmp_path)
    assert (len(texts), len(set(texts))) == (12, 12)
    assert len(endpoint.seen) == 12 + 3
    with Store(tmp_path / "s.db") as store:
        assert len(list(store.replies(state="unknown"))) == 3
        assert [(run.state, run.replies, run.failed_calls) for run in store.runs()] == [
            ("killed", 4, 3),
            ("done", 8, 0),
        ]


def test_interrupted_collector_keeps_what_came(start, tmp_path):
    release = threading.Event()

    def answer(number, _):
        if number == 0:
            return stream("whole")

        def body():
            yield begun("half a |reply").encode()
            release.wait(30)

        return events(body())

    endpoint = Endpoint(answer)
    victim = start(
        "collect", *PROMPT, "--model", "m", "--base-url", endpoint.url, "--samples", 9, "--concurrency", 1
    )
    wait_for(lambda: len(kept(tmp_path)) == 1 and len(endpoint.seen) == 2)
    time.sleep(0.2)
    victim.send_signal(signal.SIGINT)
    out, err = victim.communicate(timeout=30)
    release.set()
    assert (victim.returncode, "Traceback" in err) == (130, False), err
    assert "1 of 9 replies" in out
    with Store(tmp_path / "s.db") as store:
        assert [row.reply.text for row in store.replies()] == ["whole"]
        assert [(row.reply.text, row.error) for row in store.replies(state="unknown")] == [
            ("half a reply", "interrupted")
        ]
        assert [run.state for run in store.runs()] == ["interrupted"]


def test_two_collectors_at_once_share_the_work(start, tmp_path):
    both = threading.Barrier(2, timeout=30)

    def answer(number, _):
        if number < 2:
            both.wait()
        time.sleep(0.02)
        return stream("text")

    endpoint = Endpoint(answer)
    command = (
        "collect",
        *PROMPT,
        "--model",
        "m",
        "--base-url",
        endpoint.url,
        "--samples",
        20,
        "--concurrency",
        1,
    )
    pair = [start(*command), start(*command)]
    results = [process.communicate(timeout=60) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], results
    assert (len(kept(tmp_path)), len(endpoint.seen)) == (20, 20)


def test_example_server_answers_the_real_client(harness):
    command = [sys.executable, "examples/replay_server.py", "tests/replies"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        code, out, err = harness(
            "collect", *PROMPT, "--model", "recorded", "--base-url", url, "--json", key=None
        )
        server.send_signal(signal.SIGINT)
    assert code == 0, err
    assert [(line["model"], line["model_id"]) for line in lines(out)] == [("recorded", "replay/a_1.md")]
    assert server.returncode == 0


@pytest.fixture
def judged(tmp_path):
    with Store(tmp_path / "s.db") as store, store.run("kernel-harness eval a.md") as run:
        reply = store.save_reply(
            run, Reply(model="local", sample=0, text="reply \x1b[31m text", source="a.md")
        )
        verdict = Incorrect(
            reason="values",
            detail="3 of 9 differ",
            violations=(Violation(rule="scope", track="stage", severity="error", message="fused", line=3),),
        )
        key = JudgeKey(
            candidate_hash="c", problem="cumsum_exclusive", problem_hash="p", evaluator="1", device="cpu"
        )
        return store.save_attempt(
            run, reply, key, candidate=Candidate(code="x = 1", first_line=4), verdict=verdict
        )


def test_show_explains_an_attempt(harness, judged):
    code, out, err = harness("show", judged.id[:7])
    assert code == 0, err
    for part in (
        judged.id,
        "incorrect",
        "3 of 9 differ",
        "line 3: scope (stage, error): fused",
        "x = 1",
        "line 4 of",
    ):
        assert part in out
    assert "\x1b" not in out
    assert "reply \N{REPLACEMENT CHARACTER}[31m text" in out


def test_show_as_json_is_the_whole_attempt(harness, judged):
    code, out, err = harness("show", judged.id, "--json")
    assert code == 0, err
    assert lines(out) == [judged.model_dump(mode="json")]


def test_show_of_an_unknown_attempt(harness, judged):
    code, out, err = harness("show", "zzz")
    assert (code, out) == (2, "")
    assert "no attempt 'zzz'" in err


def test_runs_lists_each_with_its_counts(harness, judged):
    (line,) = lines(harness("runs", "--json")[1])
    assert (line["id"], line["state"], line["replies"], line["attempts"], line["passed"]) == (
        judged.run,
        "done",
        1,
        1,
        0,
    )
    code, out, _ = harness("runs")
    assert (code, judged.run in out, "kernel-harness eval a.md" in out) == (0, True, True)


@pytest.mark.parametrize("command", [("runs",), ("show", "abc")])
def test_reading_without_a_store(harness, tmp_path, command):
    code, out, err = harness(*command)
    assert (code, out, "there is no store" in err) == (2, "", True)
    assert list(tmp_path.iterdir()) == []
