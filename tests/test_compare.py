"""Two sides are compared on what both were judged on, and told apart only where the intervals say so."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_attempts import H100, attempt, filled, incorrect, passed, timing
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import UsageError
from harness.scores import Place, compare, facts_of
from harness.scores.formulas import newcombe, wilson

FAST, WRONG = passed(timing(2.0)), incorrect()


def side(model, correct, wrong, problem="scan", verdict=FAST, start=0, **fields):
    verdicts = [verdict] * correct + [WRONG] * wrong
    return [
        facts_of(attempt(start + n, v, model=model, problem=problem, stage=None, **fields))
        for n, v in enumerate(verdicts)
    ]


def differences(found):
    return {one.measure: one for one in found.differences}


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        # Newcombe 1998, table II, method 10, the difference of the first and the second share.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_newcombe_interval_agrees_with_published_values(a, b, low, high):
    got = newcombe(b[0] / b[1], wilson(*b), a[0] / a[1], wilson(*a))
    assert got == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_one_problem_by_hand():
    (found,) = compare(side("a", 3, 7), side("b", 9, 1))
    correct = differences(found)["correct"]
    assert (correct.a, correct.b) == (pytest.approx(0.3), pytest.approx(0.9))
    assert correct.difference.value == pytest.approx(0.6)
    assert correct.difference.low == pytest.approx(0.1705, abs=5e-4)
    assert [pair.outcome for pair in found.pairs] == ["win"]
    assert found.worse == ()


def test_a_difference_that_chance_explains_is_a_tie():
    (found,) = compare(side("a", 4, 6), side("b", 6, 4))
    assert [pair.outcome for pair in found.pairs] == ["tie"]


def test_the_ratio_of_mean_speedups():
    slow, fast = passed(timing(1.5)), passed(timing(3.0))
    (found,) = compare(side("a", 10, 0, verdict=fast), side("b", 10, 0, verdict=slow))
    speed = differences(found)["mean_speedup"]
    assert (speed.a, speed.b) == (pytest.approx(3.0), pytest.approx(1.5))
    assert speed.difference.value == pytest.approx(0.5)
    assert found.worse == ("mean_speedup",)


def test_problems_are_paired_and_the_rest_is_named():
    a = [*side("a", 9, 1, "one"), *side("a", 9, 1, "two"), *side("a", 5, 5, "mine")]
    b = [*side("b", 1, 9, "one"), *side("b", 0, 10, "two"), *side("b", 5, 5, "theirs")]
    (found,) = compare(a, b)
    assert [(pair.problem, pair.outcome) for pair in found.pairs] == [("one", "loss"), ("two", "loss")]
    assert (found.only_a, found.only_b) == (("mine",), ("theirs",))
    assert differences(found)["correct"].difference.value == pytest.approx(0.05 - 0.9)
    assert set(found.worse) == {"correct", "fast_1"}


def test_times_of_two_gpus_are_not_compared():
    other = passed(timing(2.0), gpu="NVIDIA L4")
    assert compare(side("a", 5, 0), side("b", 5, 0, verdict=other)) == ()


def test_a_stale_side_is_not_compared_with_a_fresh_one():
    old = side("a", 5, 5, evaluator="0", start=0)
    assert compare(old, side("b", 5, 5, start=20)) == ()
    both = [*old, *side("a", 9, 1, start=40)]
    (found,) = compare(both, side("b", 5, 5, start=20))
    assert differences(found)["correct"].a == pytest.approx(0.9)


def test_where_nothing_is_timed_the_measure_is_the_correct_rate():
    cpu = passed(device="cpu")
    rows = [side(name, 5, 0, verdict=cpu, device="cpu") for name in "ab"]
    (found,) = compare(*rows)
    assert (found.place, found.measure) == (Place("cpu", None, None), "correct")
    assert [one.measure for one in found.differences] == ["correct"]


counts = st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(sum)


@settings(max_examples=25, deadline=None)
@given(counts, counts, st.booleans())
def test_what_is_won_one_way_is_lost_the_other(a, b, several):
    def rows(model, correct, wrong):
        return [
            *side(model, correct, wrong),
            *(side(model, wrong, correct, "other", start=50) if several else []),
        ]

    (there,), (back,) = compare(rows("a", *a), rows("b", *b)), compare(rows("b", *b), rows("a", *a))
    turned = {"win": "loss", "loss": "win", "tie": "tie", "unknown": "unknown"}
    assert [turned[pair.outcome] for pair in there.pairs] == [pair.outcome for pair in back.pairs]
    ahead, behind = differences(there)["correct"].difference, differences(back)["correct"].difference
    assert ahead.value == pytest.approx(-behind.value)
    assert ahead.low <= ahead.value <= ahead.high


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s.db"
    rows = [attempt(n, FAST, model="good", stage=None) for n in range(12)]
    rows += [attempt(20 + n, WRONG, model="bad", stage=None) for n in range(12)]
    filled(path, rows).close()
    return path


def test_the_command_prints_wins_and_says_who_is_worse(store):
    result = run("compare", "good", "bad", "--store", store)
    assert result.return_value == 0
    for words in (H100, "0 wins, 1 losses", "loss    scan", "bad is surely worse: correct, fast_1"):
        assert words in result.stdout


@pytest.mark.parametrize(("a", "b", "code"), [("good", "bad", 1), ("bad", "good", 0), ("good", "good", 0)])
def test_fail_is_for_a_side_that_got_worse(store, a, b, code):
    assert run("compare", a, b, "--fail", "--store", store).return_value == code


def test_a_json_line_and_a_run_by_its_beginning(store):
    second = [attempt(40 + n, FAST, model="good", stage=None) for n in range(5)]
    with filled(store, second) as opened:
        last = opened.runs()[-1].id
    result = run("compare", "bad", last, "--json", "--store", store)
    (line,) = map(json.loads, result.stdout.splitlines())
    assert (line["gpu"], line["b"], line["worse"], line["measure"]) == (H100, last, [], "fast_1")
    assert line["pairs"][0]["outcome"] == "win"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["goood", "bad"], "nearest: good"),
        (["good", "bad", "--problem", "other"], "no attempts on problem"),
        (["good", "bad", "--track", "stage"], "share no problem"),
    ],
)
def test_what_cannot_be_compared(store, arguments, message):
    result = run("compare", *arguments, "--store", store)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
