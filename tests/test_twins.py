"""Candidates that differ in comments and formatting alone are judged once; whatever else differs is not."""

from hashlib import sha256

import pytest
from judge_work import HONEST, candidate, problem_folder

from eval.records import Incorrect, Passed, Violation
from harness.twins import meaning, shared

COMMENTED = "# mine\n\n" + HONEST.replace("mask = i < n", "mask = (i <\n            n)  # inside")
WRONG = candidate("return run(x, 7.0)")


def seen(code, mode="lenient"):
    return meaning(code, mode)


@pytest.mark.parametrize(
    "other",
    [
        COMMENTED,
        HONEST.replace("\n\n", "\n\n\n"),
        HONEST.replace("factor + 1", "factor+1"),
        HONEST.replace("BLOCK=64", "BLOCK=0x40"),
        HONEST.replace("\n", "\r\n"),
    ],
)
def test_what_means_the_same(other):
    assert other != HONEST
    assert seen(other) == seen(HONEST)


@pytest.mark.parametrize(
    "other",
    [
        WRONG,
        HONEST.replace("BLOCK=64", "BLOCK=128"),
        HONEST.replace("def run(", "def walk(").replace("run(x, self", "walk(x, self"),
        HONEST.replace("def run(x, factor):", 'def run(x, factor):\n    """Run."""'),
        "# -*- coding: latin-1 -*-\n" + HONEST,
        HONEST + "# \u202e\n",
    ],
)
def test_what_does_not(other):
    assert other != HONEST
    assert seen(other) != seen(HONEST)


def test_what_the_rules_refuse_is_no_twin():
    assert meaning("import os\n" + HONEST, "strict") is None
    assert meaning("def f(:\n", "strict") is None
    assert meaning("x = " + "(" * 5000 + ")" * 5000, "strict") is None


def test_without_rules_the_text_counts():
    assert seen(COMMENTED, "off") != seen(HONEST, "off")
    assert seen(HONEST, "off") == seen(HONEST, "off") is not None


def violation(code, text, **more):
    line = next(number for number, line in enumerate(code.split("\n"), 1) if text in line)
    return Violation(
        rule="order", track="open", severity="warning", message="m", line=line,
        column=code.split("\n")[line - 1].index(text), **more,
    )  # fmt: skip


def test_places_are_those_of_the_twin():
    verdict = Passed(violations=(violation(HONEST, "mask = i < n"), violation(HONEST, "class ModelNew")))
    moved = shared(verdict, HONEST, COMMENTED)
    assert moved.violations == (violation(COMMENTED, "mask = (i <"), violation(COMMENTED, "class ModelNew"))
    assert moved.duplicate_of == sha256(HONEST.encode()).hexdigest()
    assert moved.candidate_hash == sha256(COMMENTED.encode()).hexdigest()


def test_a_place_that_is_not_found_again_is_not_guessed():
    nowhere = violation(HONEST, "mask = i < n").model_copy(update={"column": 1})
    assert shared(Passed(violations=(nowhere,)), HONEST, COMMENTED) is None
    accents = COMMENTED.replace("mine", "mië")
    place = violation(HONEST, "mask = i < n")
    assert shared(Passed(violations=(place,)), HONEST, accents) is None
    assert shared(Incorrect(reason="values"), HONEST, accents) is not None


def test_twins_are_judged_once_and_linked(tmp_path):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    from harness.executors import LocalExecutor
    from harness.pipeline import JudgeSettings, Pipeline
    from harness.records import Reply
    from harness.store import Store

    strict = HONEST.strip()
    codes = [strict, "# one\n" + strict, WRONG.strip(), "# two\n\n" + strict, WRONG.strip() + "\n# three\n"]
    problem_folder(tmp_path / "affine")
    replies = [
        Reply(model="m", sample=number, text=code, source=f"{number}.py", is_code=True)
        for number, code in enumerate(codes)
    ]
    settings = JudgeSettings(device="cpu", problem=str(tmp_path / "affine"), rules="lenient")
    with Store(tmp_path / "s.db") as store, store.run("test") as run, LocalExecutor("cpu") as executor:
        judged = list(Pipeline(settings, store, run).judge_with(executor, replies))
        assert executor.states()[0].judged == 2
        again = list(Pipeline(settings, store, run).judge_with(executor, replies))
        assert executor.states()[0].judged == 2
    by_sample = {one.attempt.reply.sample: one.attempt for one in judged}
    verdicts = [by_sample[number].verdict for number in range(5)]
    assert [verdict.status for verdict in verdicts] == [
        "passed",
        "passed",
        "incorrect",
        "passed",
        "incorrect",
    ]
    hashes = [sha256(code.encode()).hexdigest() for code in codes]
    assert [verdict.candidate_hash for verdict in verdicts] == hashes
    assert [verdict.duplicate_of for verdict in verdicts] == [None, hashes[0], None, hashes[0], hashes[2]]
    assert all(one.cached for one in again)
    assert {one.attempt.id: one.attempt.verdict for one in again} == {
        one.attempt.id: one.attempt.verdict for one in judged
    }
