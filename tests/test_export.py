"""The command `export`: attempts for other tools, and passing replies for training."""

import json

import pytest

from eval.records import Incorrect, Passed, Tracks
from harness.cli.export import command
from harness.cli.exported import ExportedAttempt, TrainingExample
from harness.errors import EnvironmentFailure, UsageError
from harness.records import Candidate, Prompt, Reply
from harness.store import Answer, CallKey, JudgeKey, Store

PROMPT = Prompt(hash="p1", text="make it fast é", problem="cumsum_exclusive", stage="tuning", gpu="4090")
ON_BOTH = Tracks(open=True, stage=True)


def judge_key(code):
    return JudgeKey(
        candidate_hash=code, problem="cumsum_exclusive", problem_hash="p", stage="tuning", evaluator="1"
    )


@pytest.fixture
def path(tmp_path):
    """Four bought replies (passed on both tracks, on the open one, wrong, struck) and one from a file."""
    verdicts = [
        Passed(tracks=ON_BOTH),
        Passed(tracks=Tracks(open=True, stage=False)),
        Incorrect(reason="values", tracks=Tracks(open=False, stage=False)),
        Passed(tracks=ON_BOTH),
    ]
    with Store(tmp_path / "s.db") as store:
        run = store.start_run("test")
        store.save_prompt(PROMPT)
        for sample, verdict in enumerate(verdicts):
            key = CallKey(model="m", parameters={"temperature": 0.5}, prompt_hash="p1", sample=sample)
            row = store.claim(run, key, PROMPT, "http://here").reply_id
            answer = Answer(
                text=f"reply {sample}", usage={"total_tokens": 7}, cost=0.5, extra={"reasoning": "hm"}
            )
            store.keep_answer(row, answer)
            code = Candidate(code=f"x = {sample}", first_line=2)
            stored = store.reply(row)
            attempt = store.save_attempt(
                run, stored, judge_key(code.code), candidate=code, verdict=verdict, gpu="4090"
            )
        store.void(attempt.id, "a mistake of ours")
        file = store.save_reply(
            run, Reply(model="local", sample=0, text="by hand", problem="cumsum_exclusive")
        )
        store.save_attempt(run, file, judge_key("f"), candidate=None, verdict=Passed(tracks=ON_BOTH))
    return tmp_path / "s.db"


def written(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_attempt_with_all_that_led_to_it(path, capsys):
    command(form="jsonl", store=path)
    found = written(capsys)
    for line in found:
        ExportedAttempt.model_validate(line)
    assert [line["verdict"]["status"] for line in found] == [
        "passed",
        "passed",
        "incorrect",
        "passed",
        "passed",
    ]
    first = found[0]
    assert (first["prompt"], first["reply"], first["code"]) == ("make it fast é", "reply 0", "x = 0")
    assert (first["cost"], first["tries"], first["parameters"]) == (0.5, 1, {"temperature": 0.5})
    assert (first["reasoning"], first["usage"], first["source"]) == ("hm", {"total_tokens": 7}, "http://here")
    assert [line["void_reason"] for line in found] == [None] * 3 + ["a mistake of ours", None]
    assert found[-1]["prompt"] is None


@pytest.mark.parametrize(
    ("track", "replies", "left_out"), [("open", ["reply 0", "reply 1"], 1), ("stage", ["reply 0"], 1)]
)
def test_training_examples_are_replies_that_passed(path, capsys, track, replies, left_out):
    command(form="sft", track=track, store=path)
    out, err = capsys.readouterr()
    found = [TrainingExample.model_validate_json(line) for line in out.splitlines()]
    assert [example.messages[1].content for example in found] == replies
    assert {(example.messages[0].role, example.messages[0].content) for example in found} == {
        ("user", "make it fast é")
    }
    assert f"{left_out} passing replies were left out" in err


def test_only_what_is_asked_for(path, capsys):
    command(form="jsonl", model="local", store=path)
    assert [line["model"] for line in written(capsys)] == ["local"]
    command(form="jsonl", run="no such run", store=path)
    assert written(capsys) == []


def test_file_and_schema(path, tmp_path, capsys):
    command(form="jsonl", output=tmp_path / "all.jsonl", store=path)
    assert len((tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()) == 5
    command(form="jsonl", schema=True)
    schema = json.loads(capsys.readouterr().out)
    assert set(json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])) == set(schema["properties"])


def test_places_that_cannot_be(path, tmp_path):
    with pytest.raises(EnvironmentFailure, match="cannot write"):
        command(form="sft", output=tmp_path / "absent" / "x.jsonl", store=path)
    with pytest.raises(UsageError, match="there is no store"):
        command(store=tmp_path / "absent.db")
