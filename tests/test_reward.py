"""What a verdict is worth: the table of docs/reward.md, the bounds, and what never trains."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eval.records import (
    Failed,
    Incorrect,
    Passed,
    Quantity,
    Ratio,
    Rejected,
    Speedup,
    Timing,
    Tracks,
)
from harness.reward import REWARD_VERSION, RewardSettings, reward

DOC = Path(__file__).resolve().parent.parent / "docs" / "reward.md"
LEGAL = Tracks(open=True, stage=True)


def timed(speedup, floor, **more):
    one = Quantity(median=1.0, low=1.0, high=1.0, samples=40)
    ratio = Ratio(median=speedup * 1.1, low=speedup, high=speedup * 1.2)
    return Passed(
        tracks=LEGAL,
        timing=Timing(
            candidate_ms=one, eager_ms=one, fraction_of_floor=floor, speedup=Speedup(eager=ratio), **more
        ),
    )


FAILED = ("extract", "parse", "import", "init", "compile", "launch", "run", "timeout", "memory", "crash")
ROWS = {
    "passed, legal, 4x or more, at the floor": [timed(4.0, 1.0), timed(900.0, 1.3)],
    "passed, legal, 2x, half of the floor": [timed(2.0, 0.5)],
    "passed, legal, no faster, a tenth of the floor": [timed(1.0, 0.1), timed(0.4, 0.1)],
    "passed, legal, not timed (a CPU)": [Passed(tracks=LEGAL)],
    "passed, and against the rules of the track": [Passed(tracks=Tracks(open=False))],
    "rejected: `output_rules`": [Rejected(reason="output_rules")],
    "incorrect, whatever the reason": [Incorrect(reason="values"), Incorrect(reason="mutated_input")],
    f"failed: {', '.join(FAILED)}": [Failed(phase=phase) for phase in FAILED],
    "rejected: `tampering`, `library_compute`, `impossible_time`, `disputed_clock`": [
        Rejected(reason=reason)
        for reason in ("tampering", "library_compute", "impossible_time", "disputed_clock")
    ],
    "failed: unsupported (where it was judged it cannot run)": [Failed(phase="unsupported")],
    "passed, and the track was not decided (no stage was given)": [Passed(tracks=Tracks())],
    "no verdict: our own failure, a time-out of the judge, a full queue": [None],
}


def documented():
    lines = re.findall(r"^\| (.+?) \| (\w+) \| (\S+) \|$", DOC.read_text(), re.MULTILINE)
    return {what: (kind, None if number == "none" else float(number)) for what, kind, number in lines}


def test_the_table_of_the_page_is_the_formula():
    table = documented()
    assert set(table) == set(ROWS)
    for what, verdicts in ROWS.items():
        for verdict in verdicts:
            worth = reward(verdict)
            found = worth.value if worth.value is None else round(worth.value, 6)
            assert (worth.kind, found) == table[what], what
            assert worth.version == REWARD_VERSION
            assert (worth.why is not None) == (worth.value is None)


def test_an_unstable_time_earns_nothing():
    worth = reward(timed(4.0, 1.0, stable=False))
    assert (worth.value, worth.speed, worth.floor) == (0.3, 0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (RewardSettings(bound="median", most_speedup=1.1, floor=0.0), 0.8),
        (RewardSettings(baseline="compile"), 0.5),  # nothing measured against it: no part for speed
        (RewardSettings(track="stage", correct=1.0, speed=0.0, floor=0.0), 1.0),
    ],
)
def test_settings_say_what_counts(settings, value):
    assert reward(timed(1.0, 1.0), settings).value == pytest.approx(value)


def test_settings_apart():
    assert reward(Rejected(reason="tampering"), RewardSettings(cheating=0.0)).value == 0.0
    assert reward(Passed(tracks=LEGAL), RewardSettings(untimed="mask")).value is None
    assert reward(Incorrect(reason="shape"), RewardSettings(incorrect=0.05)).value == 0.05
    on_stage = RewardSettings(track="stage")
    assert reward(Passed(tracks=Tracks(open=True, stage=False)), on_stage).kind == "illegal"
    assert reward(Passed(tracks=Tracks(open=True)), on_stage).value is None


@pytest.mark.parametrize(
    "wrong", [{"most_speedup": 1.0}, {"speed": -1.0}, {"cheating": float("nan")}, {"bonus": 1.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        RewardSettings(**wrong)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e3))
def test_faster_is_never_worth_less_and_nothing_leaves_the_range(one, other, floor):
    slow, fast = sorted((one, other))
    low, high = (reward(timed(speedup, floor)).value for speedup in (slow, fast))
    assert 0.3 <= low <= high <= 1.0
