"""Several official shapes: which they are, and what becomes of their times."""

import math

import pytest

from eval.judge.shapes import combined, mean_timing, official_sizes, tried_on_all
from eval.records import Failed, Job, Passed, Problem, Quantity, Ratio, SizeProfile, Speedup, Timing


def problem(**official):
    sizes = tuple(SizeProfile(name=name, official=marked) for name, marked in official.items())
    return Problem(name="p", reference="", sizes=sizes, cases=(), hash="0")


def timing(ms, gain, *, stable=True, compiled=None):
    def quantity(value):
        return Quantity(median=value, low=0.9 * value, high=1.1 * value, samples=20)

    ratio = Ratio(median=gain, low=gain - 0.01, high=gain + 0.01)
    return Timing(
        candidate_ms=quantity(ms), eager_ms=quantity(ms * gain), current_ms=quantity(ms * gain),
        compile_ms=quantity(compiled) if compiled else None, floor_ms=ms / 2, fraction_of_floor=0.5,
        speedup=Speedup(eager=ratio, current=ratio), stable=stable,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "names"),
    [
        ({"full": False, "small": False}, ("full",)),
        ({"full": True, "wide": True, "small": False}, ("full", "wide")),
        ({"full": False, "wide": True}, ("wide",)),
    ],
)
def test_marked_sizes_count_and_else_the_first(marks, names):
    assert official_sizes(problem(**marks)) == names


def test_times_and_speedups_are_geometric_means():
    made = mean_timing({"a": timing(1.0, 4.0), "b": timing(4.0, 1.0, compiled=3.0)}, 0.01)
    assert made.candidate_ms.median == pytest.approx(2.0)
    assert made.speedup.eager.median == pytest.approx(2.0)
    assert made.speedup.current.low == pytest.approx(math.sqrt(3.99 * 0.99))
    assert made.eager_ms.median / made.candidate_ms.median == pytest.approx(made.speedup.eager.median)
    assert (made.compile_ms, made.decision, made.stable) == (None, "keep", True)
    assert list(made.shapes) == ["a", "b"]
    assert Timing.model_validate_json(made.model_dump_json()) == made


def test_one_unstable_shape_makes_all_unstable():
    made = mean_timing({"a": timing(1.0, 4.0), "b": timing(1.0, 4.0, stable=False)}, 0.01)
    assert (made.stable, made.decision) == (False, "revert")


def test_every_shape_is_tried_until_one_fails():
    asked = []

    def attempt(job):
        asked.append(job.size)
        if job.size == "wide":
            return Failed(phase="memory", size="wide")
        return Passed(timing=timing(1.0, 2.0), robust=True, size=job.size, seconds=1.0)

    job = Job(problem=problem(full=True, wide=True, more=True), code="")
    assert tried_on_all(job, attempt).status == "failed"
    assert asked == ["full", "wide"]
    assert tried_on_all(job.model_copy(update={"size": "more"}), attempt).size == "more"
    both = tried_on_all(Job(problem=problem(full=True, more=True), code=""), attempt)
    assert (both.size, both.seconds, both.robust) == (None, 2.0, True)
    assert set(both.timing.shapes) == {"full", "more"}


def test_without_times_nothing_is_combined_but_the_mark():
    made = combined({"a": Passed(robust=True), "b": Passed(robust=False)}, None)
    assert (made.timing, made.robust) == (None, False)
