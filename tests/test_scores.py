from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_attempts import H100, attempt, failed, incorrect, passed, rejected, timing

from harness.scores import BASELINES, THRESHOLDS, Place, fast_p, left_out, legality, score_table, wilson
from harness.scores.formulas import rate, spread
from harness.scores.words import percent, times

ON_H100 = Place(device="cuda", gpu=H100, size=None)
ON_CPU = Place(device="cpu", gpu=None, size=None)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_interval_agrees_with_published_values(count, total, low, high):
    assert wilson(count, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_rate_of_nothing_is_no_number():
    assert wilson(0, 0) is None
    nothing = rate(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


@pytest.mark.parametrize(
    ("ratios", "decided", "best", "median", "mean", "measured", "coverage"),
    [
        ([2.0, 0.5], 4, 2.0, 1.25, 1.0, 2, 0.5),
        ([1.0, 2.0, 4.0], 3, 4.0, 2.0, 2.0, 3, 1.0),
        ([3.0, None], 2, 3.0, 3.0, 3.0, 1, 0.5),
        ([None], 5, None, None, None, 0, 0.0),
        ([nan, inf, 0.0, -1.0], 4, None, None, None, 0, 0.0),
        ([], 0, None, None, None, 0, None),
    ],
)
def test_spread_of_speedups(ratios, decided, best, median, mean, measured, coverage):
    got = spread(ratios, decided)
    assert (got.best, got.median, got.measured, got.coverage) == (best, median, measured, coverage)
    assert got.geometric_mean == (None if mean is None else pytest.approx(mean))


@pytest.mark.parametrize(
    ("correct", "decided", "p", "share"),
    [
        ([2.0, 1.0, 0.9], 10, 0.0, 0.3),
        ([2.0, 1.0, 0.9], 10, 1.0, 0.1),  # more than p: a speed-up of exactly 1 is not above 1
        ([2.0, 1.0, 0.9], 10, 0.8, 0.3),
        ([2.0, 1.0, 0.9], 10, 3.0, 0.0),
        ([2.0, None], 4, 1.0, 0.5),  # one of two timed, and it is above: the rate of the correct
        ([2.0, 0.5, None, None], 8, 1.0, 0.25),
        ([None, None], 4, 0.0, None),
        ([], 4, 0.0, 0.0),
        ([], 0, 0.0, None),
    ],
)
def test_fast_p(correct, decided, p, share):
    assert fast_p(correct, decided, p) == share


@pytest.mark.parametrize(
    ("verdict", "open_", "stage"),
    [
        (passed(), True, True),
        (passed(stage=False), True, False),
        (passed(stage=None), True, None),
        (passed(open_=False), False, False),
        (passed(open_=None, stage=None), None, None),
        (passed(device=None), None, None),
        (incorrect(), False, False),
        (rejected(), False, False),
        (failed("compile"), False, False),
        (failed("unsupported"), None, None),
        (None, None, None),
    ],
)
def test_what_counts_as_correct_on_each_track(verdict, open_, stage):
    row = attempt(1, verdict)
    assert (legality(row, "open"), legality(row, "stage")) == (open_, stage)


def table_by_key(attempts):
    return {(s.model, s.track, s.place): s for s in score_table(attempts)}


def test_a_row_worked_out_by_hand():
    rows = table_by_key(
        [
            attempt(1, passed(timing(3.0, 1.6, 2.5, fraction=0.9), stage=False)),
            attempt(2, passed(timing(1.2, 0.7, 1.0, fraction=0.4))),
            attempt(3, incorrect()),
            attempt(4, rejected("tampering")),
            attempt(5, rejected()),
            attempt(6, failed("extract")),
            attempt(7, None),
            attempt(8, failed("unsupported")),
        ]
    )
    open_ = rows["m", "open", ON_H100]
    assert (open_.attempts, open_.errors, open_.unsupported, open_.undecided) == (8, 1, 1, 0)
    assert (open_.correct.count, open_.correct.total) == (2, 6)
    assert open_.speedup["eager"].best == 3.0
    assert open_.speedup["eager"].median == pytest.approx(2.1)
    assert open_.speedup["eager"].geometric_mean == pytest.approx(3.6**0.5)
    assert open_.speedup["eager"].coverage == pytest.approx(2 / 6)
    assert open_.fast_p["eager"] == {
        "0": pytest.approx(2 / 6),
        "0.5": pytest.approx(2 / 6),
        "0.8": pytest.approx(2 / 6),
        "1": pytest.approx(2 / 6),
        "1.5": pytest.approx(1 / 6),
        "2": pytest.approx(1 / 6),
        "3": 0.0,
    }
    assert open_.fast_p["current"]["1"] == pytest.approx(1 / 6)
    assert (open_.rejected.value, open_.cheating.value) == (pytest.approx(2 / 7), pytest.approx(1 / 7))
    assert open_.stage_legal.value == 0.5
    assert (open_.floor.best, open_.floor.median) == (0.9, pytest.approx(0.65))

    stage = rows["m", "stage", ON_H100]
    assert (stage.correct.count, stage.correct.total) == (1, 6)
    assert stage.speedup["eager"].best == 1.2
    assert stage.fast_p["compile"]["1"] == 0.0


def test_an_interpreter_run_has_no_speed():
    rows = table_by_key(
        [attempt(1, passed(device="cpu", stage=None)), attempt(2, failed("compile", device="cpu"))]
    )
    open_, stage = rows["m", "open", ON_CPU], rows["m", "stage", ON_CPU]
    assert open_.correct.value == 0.5
    assert open_.speedup["eager"].best is None
    assert set(open_.fast_p["eager"].values()) == {None}
    assert (stage.undecided, stage.correct.total, stage.stage_legal.value) == (1, 1, None)


def test_where_everything_failed_on_a_gpu_nothing_is_fast():
    (score,) = score_table([attempt(1, incorrect(), stage=None), attempt(2, failed(), stage=None)])
    assert score.fast_p["eager"]["0"] == 0.0
    assert score.speedup["eager"].geometric_mean is None


def test_correct_but_untimed_on_a_gpu_is_not_slow():
    (score,) = score_table([attempt(1, passed(), stage=None), attempt(2, incorrect(), stage=None)])
    assert score.fast_p["eager"]["1"] is None


def test_errors_of_ours_change_no_rate():
    without = [attempt(1, passed(timing(2.0))), attempt(2, incorrect())]
    clean, shown = score_table(without)[0], score_table([*without, attempt(3, None), attempt(4, None)])[0]
    assert shown.errors == 2
    assert shown.attempts == 4
    assert shown.model_copy(update={"errors": 0, "attempts": 2}) == clean


def test_struck_attempts_and_other_rules_are_left_out():
    attempts = [
        attempt(1, passed(timing(2.0))),
        attempt(2, passed(timing(9.0)), void_reason="wrong GPU"),
        attempt(3, passed(timing(9.0)), rules="off"),
    ]
    assert score_table(attempts) == score_table(attempts[:1])
    assert left_out(attempts).model_dump() == {"voided": 1, "other_rules": 1}


def test_two_gpus_never_share_a_row():
    rows = table_by_key([attempt(1, passed(timing(2.0))), attempt(2, passed(timing(9.0), gpu="NVIDIA L4"))])
    places = {place.gpu: rows["m", "open", place] for _, track, place in rows if track == "open"}
    assert {gpu: row.speedup["eager"].best for gpu, row in places.items()} == {H100: 2.0, "NVIDIA L4": 9.0}


def test_two_size_profiles_never_share_a_row():
    rows = score_table([attempt(1, passed(timing(2.0))), attempt(2, passed(timing(3.0)), size="8gb")])
    assert {row.place.size for row in rows} == {None, "8gb"}


@pytest.mark.parametrize(
    "verdict", [failed("extract"), rejected(), None], ids=["no code", "broken rule", "our error"]
)
@pytest.mark.parametrize("place", [ON_H100, ON_CPU, Place(device="cuda", gpu=H100, size="8gb")], ids=str)
def test_an_attempt_that_never_ran_counts_where_it_was_to_be_judged(verdict, place):
    (score,) = score_table(
        [attempt(1, verdict, device=place.device, gpu_name=place.gpu, size=place.size, stage=None)]
    )
    assert (score.place, score.attempts) == (place, 1)


def test_the_gpu_that_the_verdict_names_is_the_one_that_judged():
    (score,) = score_table([attempt(1, passed(gpu="NVIDIA L4"), gpu_name=H100, stage=None)])
    assert score.place.gpu == "NVIDIA L4"


def test_attempts_without_a_stage_are_not_on_the_stage_track():
    assert [s.track for s in score_table([attempt(1, passed(stage=None), stage=None)])] == ["open"]


def test_rank_is_by_fast_1_then_mean_then_correct_rate_and_ties_share_it():
    attempts = [
        attempt(1, passed(timing(2.0)), model="fast"),
        attempt(2, passed(timing(1.5)), model="less fast"),
        attempt(3, passed(timing(0.9)), model="slow"),
        attempt(4, incorrect(), model="wrong"),
        attempt(5, incorrect(), model="as wrong"),
    ]
    ranks = {s.model: s.rank for s in score_table(attempts) if s.track == "open"}
    assert ranks == {"fast": 1, "less fast": 2, "slow": 3, "as wrong": 4, "wrong": 4}


@pytest.mark.parametrize(
    ("ratio", "digits"), [(0.849, "0.85"), (2.957, "2.96"), (9.999, "10.00"), (31.42, "31.4"), (310.0, "310")]
)
def test_speedups_are_written_to_three_digits(ratio, digits):
    assert times(ratio) == digits + "\N{MULTIPLICATION SIGN}"


def test_not_measured_is_written_as_a_dash():
    assert percent(None) == times(None) == "\N{EN DASH}"


def test_percent():
    assert [percent(share) for share in (0.0, 0.666, 1.04)] == ["0 %", "67 %", "104 %"]


ratios = st.floats(0.01, 100)
verdicts = st.one_of(
    st.none(),
    st.builds(passed, st.builds(timing, ratios), stage=st.sampled_from([True, False, None])),
    st.builds(passed, device=st.sampled_from(["cpu", "cuda"])),
    st.builds(incorrect, gpu=st.sampled_from([H100, "NVIDIA L4"])),
    st.builds(rejected, st.sampled_from(["output_rules", "tampering"])),
    st.builds(failed, st.sampled_from(["extract", "unsupported", "timeout"])),
)


@st.composite
def attempt_lists(draw):
    models = st.sampled_from(["a", "b"])
    return [
        attempt(n, verdict, model=draw(models))
        for n, verdict in enumerate(draw(st.lists(verdicts, max_size=12)))
    ]


@given(attempt_lists(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(attempts, random):
    shuffled = [*attempts, *attempts[:3]]
    random.shuffle(shuffled)
    assert score_table(shuffled) == score_table(attempts)


@given(attempt_lists())
def test_numbers_stay_in_their_bounds(attempts):
    for score in score_table(attempts):
        for part in (score.correct, score.stage_legal, score.rejected, score.cheating):
            assert (part.value is None) == (part.total == 0)
            if part.value is not None:
                assert 0 <= part.low <= part.value <= part.high <= 1
        assert score.correct.total + score.undecided + score.unsupported + score.errors == score.attempts
        for baseline in BASELINES:
            shares = [score.fast_p[baseline][f"{p:g}"] for p in THRESHOLDS]
            if None not in shares:
                assert shares == sorted(shares, reverse=True)
                assert shares[0] == pytest.approx(score.correct.value)
            lie = score.speedup[baseline]
            assert (lie.best is None) == (lie.measured == 0)
            if lie.best is not None:
                assert lie.geometric_mean <= lie.best * (1 + 1e-9)
                assert lie.median <= lie.best


@given(attempt_lists())
def test_the_stage_track_is_never_better_than_the_open_one(attempts):
    rows = table_by_key(attempts)
    for (model, track, place), stage in rows.items():
        if track == "stage":
            assert stage.correct.count <= rows[model, "open", place].correct.count
