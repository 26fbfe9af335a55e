"""The JSON line of an attempt: the same fields whatever happened."""

import json

import pytest
from sample_attempts import CODE, attempt, environment, failed, incorrect, passed, rejected, timing

from eval.records import Guarantees, VariantResult, Violation
from harness.lines import attempt_line
from harness.records import Reply

FIELDS = {
    "id", "file", "problem", "stage", "device", "model", "sample", "cached", "status", "reason", "phase",
    "detail", "defence", "violations", "tracks", "robust", "variants", "timing", "guarantees", "environment",
    "hashes", "seconds", "duplicate_of", "quarantined",
}  # fmt: skip
BROKEN = Violation(rule="imports", track="open", severity="error", message="no", line=3, column=4)
VERDICTS = {
    "passed": passed(timing(3.0, 1.7, samples_ms={"candidate": (3.0, 3.1)}), robust=True),
    "incorrect": incorrect("shape", detail="(2, 3) instead of (2, 4)", defence="shape"),
    "rejected": rejected("tampering", violations=(BROKEN,), defence="rule:clock"),
    "failed": failed("timeout", seconds=300.5),
    "error": None,
}


@pytest.mark.parametrize("status", VERDICTS)
def test_every_outcome_has_the_same_fields(status):
    line = attempt_line(attempt(1, VERDICTS[status]))
    assert set(line) == FIELDS
    assert line["status"] == status
    assert json.loads(json.dumps(line, allow_nan=False)) == line


NULLABLE = {
    "id", "file", "quarantined", "stage", "device", "duplicate_of", "reason", "phase", "detail", "defence",
    "robust", "timing",
}  # fmt: skip


@pytest.mark.parametrize("status", VERDICTS)
def test_only_what_may_be_null_is(status):
    line = attempt_line(attempt(1, VERDICTS[status]))
    assert {name for name, value in line.items() if value is None} <= NULLABLE
    assert line["id"] == attempt(1, VERDICTS[status]).id
    assert line["environment"]["evaluator"]
    assert isinstance(line["guarantees"]["sandbox"], list)
    assert isinstance(line["variants"], list)


def test_a_reply_without_code_was_to_be_judged_somewhere():
    verdict = failed("extract").model_copy(update={"device": None, "environment": None})
    line = attempt_line(attempt(1, verdict, device="cpu"))
    assert (line["device"], line["environment"]["torch"]) == ("cpu", None)


def test_a_passed_attempt():
    verdict = VERDICTS["passed"].model_copy(
        update={
            "variants": (VariantResult(case="rank3", status="passed"),),
            "guarantees": Guarantees(sandbox=("landlock",), clock_audit=True),
            "problem_hash": "p" * 64,
        }
    )
    line = attempt_line(attempt(7, verdict), cached=True)
    assert (line["file"], line["model"], line["sample"], line["cached"]) == ("7.md", "m", 7, True)
    assert (line["reason"], line["phase"], line["robust"]) == (None, None, True)
    assert line["tracks"] == {"open": True, "stage": True}
    assert line["timing"]["candidate_ms"]["median"] == 3.0
    assert line["timing"]["speedup"]["compile"]["median"] == 1.7
    assert line["timing"]["kernels"] == [{"name": "scan_kernel", "ms": 1.0, "share": 0.9, "own": True}]
    assert "samples_ms" not in line["timing"]
    assert line["variants"][0]["case"] == "rank3"
    assert line["guarantees"]["clock_audit"] is True
    assert line["environment"]["torch"] == environment().torch
    assert line["hashes"]["problem"] == "p" * 64
    assert set(line["hashes"]) == {"problem", "stage", "gpu", "prompt", "candidate"}


@pytest.mark.parametrize(("is_code", "reply_line"), [(False, 4), (True, None)])
def test_a_violation_points_into_the_reply(is_code, reply_line):
    reply = Reply(model="m", sample=1, text=CODE, source="a.py", is_code=is_code)
    (found,) = attempt_line(attempt(1, VERDICTS["rejected"], reply=reply))["violations"]
    assert (found["line"], found["reply_line"], found["column"]) == (3, reply_line, 4)


def test_an_error_of_ours_says_what_happened():
    line = attempt_line(attempt(1, None))
    assert line["tracks"] == {"open": None, "stage": None}
    assert "driver" in line["detail"]
    assert line["timing"] is None
