"""From the samples of a session to what a verdict says, on contestants that ran nowhere."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.ceilings import Ceiling
from eval.judge.contestant import Contestant
from eval.judge.floor import Floor
from eval.judge.result import build_timing
from eval.judge.session_times import Kept
from eval.judge.turn_counts import calls_a_turn, least_turns

EVENT_MS = 0.002
FLOOR = Floor(2.84, "bytes", "measured", Ceiling(3.02e12, "measured"), None)
CALM = ({"at_us": 0, "throttle_reasons": 0x1}, {"at_us": 5_000_000, "throttle_reasons": 0x1, "busy": False})


def contestant(role, ms, *, drift=0.0, seed=0, count=40):
    rng = np.random.default_rng(seed)
    made = Contestant(role, None, None, None, "key", trusted=role != "candidate")
    for at in range(count):
        event = ms * (1 + 0.001 * rng.standard_normal()) * (1 + drift * at / count) + EVENT_MS
        made.record([event])
        made.done_ms.append(event + 0.18)
        made.sealed_ms.append(0.06)
    return made


def says(made, turns_ms):
    """Let its events say these times, by turn and call."""
    made.event_ms, made.call_ms, made._parts_ms = [], [], []
    for turn_ms in turns_ms:
        made.record(turn_ms)


def timed(candidate, others, *, clocks=CALM, floor=FLOOR, min_gain=0.01, **more):
    nulls = SimpleNamespace(event_ms=EVENT_MS, exchange_ms=0.18, exchange_spread_ms=0.001)
    session = SimpleNamespace(nulls=nulls, checked=9, calls=1)
    baselines = SimpleNamespace(
        notes=(), floor=floor, floor_bytes=8.59e9, compile_note="compile: it has no rule for that",
        hard_limit_ms=2.4, flops=None,
    )  # fmt: skip
    job = SimpleNamespace(min_gain=min_gain)
    return build_timing(job, baselines, session, candidate, others, clocks, **more)


@pytest.fixture
def others():
    return [contestant("eager", 9.0, seed=1), contestant("current", 7.7, seed=2)]


def test_a_calm_session(others):
    timing = timed(contestant("candidate", 3.0), others)
    assert timing.candidate_ms.median == pytest.approx(3.0, rel=1e-3)
    assert timing.speedup.eager.median == pytest.approx(3.0, rel=2e-3)
    assert (timing.decision, timing.stable, timing.notes) == ("keep", True, ())
    assert timing.fraction_of_floor == pytest.approx(2.84 / 3.0, rel=1e-3)
    assert timing.gb_per_s == pytest.approx(8.59e9 / 3.0e-3 / 1e9, rel=1e-3)
    assert timing.copy_gb_per_s == 3020
    assert (timing.compile_ms, timing.compile_note) == (None, "compile: it has no rule for that")
    assert len(timing.samples_ms["candidate"]) == 40


@pytest.mark.parametrize(
    ("drift", "after", "note"),
    [
        (0.1, {}, "candidate drifted by more than 3 %"),
        (0.0, {"throttle_reasons": 0x40}, "the GPU throttled: thermal slowdown by hardware"),
        (0.0, {"busy": True}, "another process used the GPU"),
    ],
)
def test_a_doubtful_session_is_unstable_and_nothing_is_kept(others, drift, after, note):
    timing = timed(contestant("candidate", 3.0, drift=drift), others, clocks=(CALM[0], CALM[1] | after))
    assert (timing.decision, timing.stable, timing.notes) == ("revert", False, (note,))


def test_a_second_session_says_what_was_wrong_with_the_first(others):
    timing = timed(contestant("candidate", 3.0), others, again=("another process used the GPU",))
    assert timing.stable
    assert timing.notes == ("measured a second time, since the first time another process used the GPU",)


def test_without_nvml_times_stand_and_notes_say_so(others):
    timing = timed(contestant("candidate", 3.0), others, clocks=({}, {}))
    assert timing.stable
    assert "NVML is not there" in timing.notes[0]


def test_without_a_floor_the_rest_stands(others):
    timing = timed(contestant("candidate", 3.0), others, floor=None)
    assert (timing.floor_ms, timing.fraction_of_floor, timing.floor_by) == (None, None, None)
    assert timing.speedup.current.median == pytest.approx(7.7 / 3.0, rel=2e-3)


def test_a_candidate_faster_than_the_floor_is_shown_as_it_is(others):
    timing = timed(contestant("candidate", 2.7), others)
    assert timing.fraction_of_floor > 1
    assert timing.decision == "keep"


def test_times_kept_from_earlier_in_the_session_count(others):
    kept = {"compile": Kept([5.0, 5.01, 4.99] * 10, place_half_width=0.01)}
    timing = timed(contestant("candidate", 3.0), others, kept=kept)
    assert timing.baselines == "session"
    assert timing.speedup.compile.median == pytest.approx(5 / 3, rel=2e-3)
    assert timing.compile_ms.high - timing.compile_ms.median == pytest.approx(0.05, rel=0.1)


def test_intervals_hold_how_places_in_memory_differ(others):
    """Fourteen places of which each has its own speed; then the same times, but now here, now there."""
    rng = np.random.default_rng(5)
    places = 0.05 * rng.normal(1.0, 0.01, 14) + EVENT_MS
    settled, strewn = contestant("candidate", 0.05), contestant("candidate", 0.05)
    says(settled, [list(places)] * 40)
    says(strewn, [list(rng.permutation(places)) for _ in range(40)])
    plain, wide = timed(strewn, others), timed(settled, others)
    half_width = wide.clock["place_half_width"]["candidate"]
    assert 0.003 < half_width < 0.01
    for before, after in (
        (plain.candidate_ms, wide.candidate_ms), (plain.speedup.current, wide.speedup.current)
    ):  # fmt: skip
        assert after.median == pytest.approx(before.median, rel=1e-6)
        assert after.high - after.low > 2 * (before.high - before.low)
        assert after.high / after.median - 1 == pytest.approx(half_width, rel=0.15)
        assert 1 - after.low / after.median == pytest.approx(half_width, rel=0.15)


def test_a_candidate_that_waits_for_itself_pays_by_the_clock_of_the_judge(others):
    candidate = contestant("candidate", 3.0)
    candidate.done_ms = [value + 0.02 for value in candidate.done_ms]
    before = timed(candidate, others)
    candidate.waits = True
    after = timed(candidate, others)
    assert after.candidate_ms.median - before.candidate_ms.median == pytest.approx(0.02, rel=0.05)
    assert any("could not be queued ahead" in note for note in after.notes)


@pytest.mark.parametrize(
    ("shortest", "together", "calls"),
    [(3.0, 20.0, 1), (1.0, 4.0, 1), (0.5, 2.0, 4), (0.05, 0.5, 10), (0.05, 150.0, 1), (0.05, 20.0, 5)],
)
def test_how_many_calls_share_a_turn(shortest, together, calls):
    assert calls_a_turn(shortest, together) == calls


def test_a_turn_of_several_calls_is_two_samples_drawn_anew_each_time(others):
    candidate = contestant("candidate", 3.0)
    says(candidate, [[3.0, 3.2, 3.4, 3.6]] * 40)
    timing = timed(candidate, others)
    samples = timing.samples_ms["candidate"]
    assert timing.candidate_ms.samples == len(samples) == 2 * 40
    assert {round(ms + EVENT_MS, 3) for ms in samples} == {3.1, 3.2, 3.3, 3.4, 3.5}
    assert timing.candidate_ms.median == pytest.approx(3.3, abs=0.1)
    says(candidate, [[3.0]] * 5)
    assert candidate.samples_ms == [3.0] * 5
    candidate.clear()
    assert candidate.samples_ms == []


def test_the_middle_sample_is_not_below_the_middle_turn(others):
    candidate = contestant("candidate", 3.0)
    says(candidate, [[2.85, 2.85]] * 19 + [[2.85, 3.15]] * 21)  # 59 of 80 samples are short
    assert np.median(candidate.samples_ms) == pytest.approx(3.0)


@pytest.mark.parametrize(("calls", "turns"), [(1, 20), (2, 12), (8, 12), (32, 12)])
def test_at_least_twenty_samples_and_a_dozen_turns(calls, turns):
    assert least_turns(calls) == turns
