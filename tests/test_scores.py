from itertools import combinations
from math import inf, isnan, log, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_attempts import H100, attempt, failed, incorrect, passed, rejected, timing

from harness import scores
from harness.scores import BASELINES, KS, THRESHOLDS, Place, facts_of, legality, wilson
from harness.scores.formulas import best_at_k, correct_rate, fast_p, geometric_mean, pass_at_k, ratio
from harness.scores.words import percent, place_name, times

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


def score_table(attempts):
    return scores.score_table(map(facts_of, attempts))


def left_out(attempts):
    return scores.left_out(map(facts_of, attempts))


def test_the_interval_of_nothing():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("ratios", "failures", "best", "median", "mean", "measured", "coverage"),
    [
        ([2.0, 0.5], 2, 2.0, 1.25, 1.0, 2, 0.5),
        ([1.0, 2.0, 4.0], 0, 4.0, 2.0, 2.0, 3, 1.0),
        ([3.0, None], 0, 3.0, 3.0, 3.0, 1, 0.5),
        ([None], 4, None, None, None, 0, 0.0),
        ([nan, inf, 0.0, -1.0], 0, None, None, None, 0, 0.0),
        ([], 3, None, None, None, 0, 0.0),
    ],
)
def test_spread_of_speedups(ratios, failures, best, median, mean, measured, coverage):
    timed = [passed(timing(ratio)) if ratio is not None and ratio > 0 else passed() for ratio in ratios]
    rows = [attempt(n, verdict, stage=None) for n, verdict in enumerate([*timed, *[incorrect()] * failures])]
    (score,) = score_table(rows)
    got = score.speedup["eager"]
    assert (got.best, got.median, got.measured, got.coverage) == (
        best and pytest.approx(best), median and pytest.approx(median), measured, coverage,
    )  # fmt: skip
    assert got.geometric_mean == (None if mean is None else pytest.approx(mean))


@pytest.mark.parametrize(
    ("correct", "decided", "above", "measured", "share"),
    [
        (3, 10, 3, 3, 0.3),
        (3, 10, 1, 3, 0.1),
        (3, 10, 0, 3, 0.0),
        (2, 4, 1, 1, 0.5),  # one of two timed, and it is above: the rate of the correct
        (4, 8, 1, 2, 0.25),
        (2, 4, 0, 0, nan),  # correct and untimed is neither slow nor fast
        (0, 4, 0, 0, 0.0),
        (0, 0, 0, 0, nan),
    ],
)
def test_fast_p(correct, decided, above, measured, share):
    assert fast_p(ratio(correct, decided), above, measured) == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize(
    ("correct", "decided", "known", "passes", "share"),
    [
        (3, 10, 5, 5, 0.3),
        (0, 5, 0, 0, 0.0),
        (0, 6, 0, 9, nan),  # nine passes of unknown legality and six failures are not 0 %
        (1, 7, 2, 4, 4 / 9 * 1 / 2),  # four of nine pass, one of the two known is legal
        (0, 7, 2, 4, 0.0),
        (0, 0, 0, 0, nan),
    ],
)
def test_correct_rate_where_some_legality_is_not_known(correct, decided, known, passes, share):
    assert correct_rate(correct, decided, known, passes) == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize(
    ("correct", "decided", "k", "chance"),
    [
        (1, 2, 1, 0.5),
        (1, 2, 2, 1.0),
        (1, 3, 2, 2 / 3),  # of the three pairs, two hold the correct one
        (2, 5, 2, 0.7),
        (0, 5, 5, 0.0),
        (5, 5, 1, 1.0),
        (1, 4, 5, nan),
        (0, 0, 1, nan),
    ],
)
def test_pass_at_k(correct, decided, k, chance):
    assert pass_at_k(correct, decided, k) == pytest.approx(chance, nan_ok=True)


@pytest.mark.parametrize(
    ("speedups", "k", "best"),
    [
        ([2.0, 0.0], 1, 1.0),
        ([2.0, 0.0], 2, 2.0),
        ([3.0, 2.0, 0.0], 2, 8 / 3),  # of the three pairs, two have 3 at best and one has 2
        ([4.0, 4.0, 4.0], 2, 4.0),
        ([1.0], 2, nan),
    ],
)
def test_best_at_k(speedups, k, best):
    assert best_at_k(speedups, k) == pytest.approx(best, nan_ok=True)


def test_geometric_mean():
    assert geometric_mean(log(2.0) + log(0.5), 2) == pytest.approx(1.0)
    assert isnan(geometric_mean(0.0, 0))


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
    row = facts_of(attempt(1, verdict))
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
    assert {p: share.value for p, share in open_.fast_p["eager"].items()} == {
        "0": pytest.approx(2 / 6),
        "0.5": pytest.approx(2 / 6),
        "0.8": pytest.approx(2 / 6),
        "1": pytest.approx(2 / 6),
        "1.5": pytest.approx(1 / 6),
        "2": pytest.approx(1 / 6),
        "3": 0.0,
    }
    assert open_.fast_p["current"]["1"].value == pytest.approx(1 / 6)
    assert (open_.rejected.value, open_.cheating.value) == (pytest.approx(2 / 7), pytest.approx(1 / 7))
    assert open_.stage_legal.value == 0.5
    assert (open_.floor.best, open_.floor.median) == (0.9, pytest.approx(0.65))

    stage = rows["m", "stage", ON_H100]
    assert (stage.correct.count, stage.correct.total) == (1, 6)
    assert stage.speedup["eager"].best == 1.2
    assert stage.fast_p["compile"]["1"].value == 0.0


def test_an_interpreter_run_has_no_speed():
    rows = table_by_key(
        [attempt(1, passed(device="cpu", stage=None)), attempt(2, failed("compile", device="cpu"))]
    )
    open_, stage = rows["m", "open", ON_CPU], rows["m", "stage", ON_CPU]
    assert open_.correct.value == 0.5
    assert open_.speedup["eager"].best is None
    assert {share.value for share in open_.fast_p["eager"].values()} == {None}
    assert (stage.undecided, stage.correct.total, stage.stage_legal.value) == (1, 1, None)
    assert stage.correct.value is None


def test_where_everything_failed_on_a_gpu_nothing_is_fast():
    (score,) = score_table([attempt(1, incorrect(), stage=None), attempt(2, failed(), stage=None)])
    assert score.fast_p["eager"]["0"].value == 0.0
    assert score.speedup["eager"].geometric_mean is None


def test_correct_but_untimed_on_a_gpu_is_not_slow():
    (score,) = score_table([attempt(1, passed(), stage=None), attempt(2, incorrect(), stage=None)])
    assert score.fast_p["eager"]["1"].value is None


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
    assert left_out(attempts).model_dump() == {"voided": 1, "other_rules": 1, "stale": 0, "quarantined": 0}


def test_two_gpus_never_share_a_row():
    rows = table_by_key([attempt(1, passed(timing(2.0))), attempt(2, passed(timing(9.0), gpu="NVIDIA L4"))])
    places = {place.gpu: rows["m", "open", place] for _, track, place in rows if track == "open"}
    assert {gpu: row.speedup["eager"].best for gpu, row in places.items()} == {H100: 2.0, "NVIDIA L4": 9.0}


def test_two_size_profiles_never_share_a_row():
    rows = score_table([attempt(1, passed(timing(2.0))), attempt(2, passed(timing(3.0)), size="8gb")])
    assert {row.place.size for row in rows} == {None, "8gb"}


def test_baselines_of_the_session_are_never_ranked_with_live_ones():
    rows = score_table(
        [
            attempt(1, passed(timing(2.0)), model="a"),
            attempt(2, passed(timing(9.0)), model="b", baselines="session"),
            attempt(3, failed("extract"), model="b", baselines="session"),
            attempt(4, passed(device="cpu"), model="c", baselines="session"),
        ]
    )
    shown = {
        (r.model, r.place.device, r.place.baselines): (r.rank, r.attempts) for r in rows if r.track == "open"
    }
    assert shown == {
        ("a", "cuda", "live"): (1, 1),
        ("b", "cuda", "session"): (1, 2),
        ("c", "cpu", "live"): (1, 1),
    }
    assert {place_name(r.place) for r in rows if r.model == "b"} == {f"{H100}, baselines of the session"}


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


def test_a_pass_of_unknown_legality_leaves_the_stage_track_open():
    rows = [attempt(1, passed(timing(2.0), stage=None)), attempt(2, incorrect())]
    stage = table_by_key(rows)["m", "stage", ON_H100]
    assert (stage.correct.value, stage.fast_p["eager"]["1"].value, stage.rank) == (None, None, None)
    assert (stage.pass_at["1"].value, stage.best_at["1"].value) == (None, None)
    assert table_by_key(rows)["m", "open", ON_H100].correct.value == 0.5


def many(model, verdict, number, start=0):
    return [attempt(start + n, verdict, model=model, stage=None) for n in range(number)]


def ranks(attempts):
    return {score.model: (score.rank, score.tied) for score in score_table(attempts)}


def test_rows_that_cannot_be_told_apart_share_a_rank_and_the_better_stands_first():
    attempts = [
        *many("fast", passed(timing(2.0)), 20),
        *many("almost as fast", passed(timing(2.0)), 19, 100),
        attempt(119, incorrect(), model="almost as fast", stage=None),
        *many("slow", passed(timing(0.9)), 20, 200),
        *many("wrong", incorrect(), 20, 300),
    ]
    assert ranks(attempts) == {
        "fast": (1, True),
        "almost as fast": (1, True),
        "slow": (3, True),  # fast_1 is 0 for both
        "wrong": (3, True),
    }
    assert [score.model for score in score_table(attempts)] == ["fast", "almost as fast", "slow", "wrong"]


def test_one_lucky_attempt_does_not_beat_twenty():
    attempts = [*many("lucky", passed(timing(9.0)), 1), *many("steady", passed(timing(2.0)), 20, 10)]
    assert set(ranks(attempts).values()) == {(1, True)}


def test_where_nothing_is_timed_the_rank_is_by_correct_rate():
    attempts = [*many("right", passed(device="cpu"), 20), *many("wrong", incorrect(device="cpu"), 20, 50)]
    assert ranks(attempts) == {"right": (1, False), "wrong": (2, False)}


def test_who_has_nothing_decided_has_no_rank():
    attempts = [attempt(1, passed(timing(2.0)), stage=None), attempt(2, None, model="other", stage=None)]
    assert ranks(attempts) == {"m": (1, False), "other": (None, False)}


def test_another_evaluator_and_another_text_are_stale_and_on_boards_of_their_own():
    old = attempt(1, passed(timing(9.0), problem_hash="a"), stage=None, evaluator="0", created="2026-01-01")
    edited = attempt(2, passed(timing(7.0), problem_hash="b"), stage=None, created="2026-02-01")
    new = attempt(3, passed(timing(2.0), problem_hash="a"), stage=None, created="2026-03-01")
    error = attempt(4, None, stage=None, created="2026-03-02")
    rows = {(s.evaluator, s.problem_hash): s for s in score_table([old, edited, new, error])}
    assert {key: (row.stale, row.speedup["eager"].best) for key, row in rows.items()} == {
        ("0", "a"): (True, pytest.approx(9.0)),
        ("0.1.0", "b"): (True, pytest.approx(7.0)),
        ("0.1.0", "a"): (False, pytest.approx(2.0)),
    }
    assert rows["0.1.0", "a"].errors == 1
    assert left_out([old, edited, new, error]).stale == 2


def test_of_two_judgements_of_one_reply_the_newest_counts():
    first, second = (
        facts_of(attempt(n, verdict, stage=None))._replace(reply="one")
        for n, verdict in enumerate([incorrect(), passed(timing(2.0))])
    )
    (score,) = scores.score_table([second, first])
    assert (score.attempts, score.correct.count) == (1, 1)


def test_a_judgement_counts_before_a_later_failure_of_ours():
    done, error = (
        facts_of(attempt(n, verdict, stage=None))._replace(reply="one")
        for n, verdict in enumerate([incorrect(), None])
    )
    (score,) = scores.score_table([error, done])
    assert (score.attempts, score.errors) == (1, 0)


def priced(number, verdict, cost, tokens):
    return facts_of(attempt(number, verdict, stage=None))._replace(cost=cost, tokens=tokens)


@pytest.mark.parametrize(
    ("costs", "total", "each"),
    [([1.0, 2.0, 3.0], 6.0, 3.0), ([1.0, None, 3.0], None, None), ([0.0, 0.0, 0.0], 0.0, 0.0)],
)
def test_failures_are_paid_for_too(costs, total, each):
    verdicts = [passed(timing(2.0)), passed(timing(2.0)), incorrect()]
    (score,) = scores.score_table(
        priced(n, verdict, cost, cost and int(cost * 100))
        for n, (verdict, cost) in enumerate(zip(verdicts, costs, strict=True))
    )
    assert (score.cost, score.cost_per_pass.value) == (total, each)


def test_there_is_no_price_for_what_cannot_be_had():
    (score,) = scores.score_table([priced(1, incorrect(), 1.0, 100)])
    assert (score.cost, score.cost_per_pass.value, score.tokens_per_pass.value) == (1.0, None, None)


def test_over_problems_there_is_no_price_where_one_has_no_pass():
    solved = priced(1, passed(timing(2.0)), 1.0, 100)
    unsolved = priced(2, incorrect(), 1.0, 100)._replace(problem="hard")
    (score,) = scores.overall_table([solved, unsolved])
    assert (score.cost, score.cost_per_pass.value) == (2.0, None)
    (both,) = scores.overall_table([solved, solved._replace(id="x", reply="x", problem="hard", cost=3.0)])
    assert both.cost_per_pass.value == pytest.approx(2.0)


def two_problems():
    return [
        *[attempt(n, passed(timing(2.0)), stage=None, problem="easy") for n in range(9)],
        attempt(9, incorrect(), stage=None, problem="easy"),
        *[attempt(10 + n, incorrect(), stage=None, problem="hard") for n in range(19)],
        attempt(29, passed(timing(0.5)), stage=None, problem="hard"),
        attempt(30, passed(timing(0.5)), stage=None, problem="easy", model="half"),
    ]


def overall(attempts):
    return {score.model: score for score in scores.overall_table(map(facts_of, attempts))}


def test_over_problems_each_has_the_same_weight():
    row = overall(two_problems())["m"]
    assert (row.problem, row.problems, row.correct.count, row.correct.total) == (None, 2, 10, 30)
    assert row.correct.value == pytest.approx((0.9 + 0.05) / 2)
    assert row.fast_p["eager"]["1"].value == pytest.approx(0.45)
    assert row.speedup["eager"].geometric_mean == pytest.approx(1.0)
    assert row.pass_at["1"].value == pytest.approx(0.475)
    assert row.best_at["1"].value == pytest.approx((0.9 * 2.0 + 0.05 * 0.5) / 2)
    assert 0 <= row.correct.low < 0.1
    assert 0.85 < row.correct.high <= 1


def test_who_left_out_a_problem_has_no_rank_over_all():
    rows = overall(two_problems())
    assert (rows["m"].rank, rows["half"].rank, rows["half"].problems) == (1, None, 1)


def test_one_problem_has_no_row_over_all():
    assert overall([attempt(1, incorrect())]) == {}


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


@settings(deadline=None)
@given(attempt_lists(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(attempts, random):
    shuffled = [*attempts, *attempts[:3]]
    random.shuffle(shuffled)
    assert score_table(shuffled) == score_table(attempts)


@settings(deadline=None)
@given(attempt_lists())
def test_numbers_stay_in_their_bounds(attempts):
    for score in score_table(attempts):
        for part in (score.correct, score.stage_legal, score.rejected, score.cheating):
            assert part.total or part.value is None
            assert part.value is not None or part.total == 0 or score.undecided
            if part.value is not None:
                assert 0 <= part.low <= part.value <= part.high <= 1
        assert score.correct.total + score.undecided + score.unsupported + score.errors == score.attempts
        for baseline in BASELINES:
            shares = [score.fast_p[baseline][f"{p:g}"].value for p in THRESHOLDS]
            if None not in shares:
                assert shares == sorted(shares, reverse=True)
                assert shares[0] == pytest.approx(score.correct.value)
            lie = score.speedup[baseline]
            assert (lie.best is None) == (lie.measured == 0)
            if lie.best is not None:
                assert lie.geometric_mean <= lie.best * (1 + 1e-9)
                assert lie.median <= lie.best


@settings(deadline=None)
@given(attempt_lists())
def test_the_stage_track_is_never_better_than_the_open_one(attempts):
    rows = table_by_key(attempts)
    for (model, track, place), stage in rows.items():
        if track == "stage":
            assert stage.correct.count <= rows[model, "open", place].correct.count


@settings(deadline=None)
@given(attempt_lists())
def test_every_interval_holds_its_value(attempts):
    for score in score_table(attempts):
        shares = [share for by_p in score.fast_p.values() for share in by_p.values()]
        others = [
            *score.pass_at.values(),
            *score.best_at.values(),
            score.cost_per_pass,
            score.tokens_per_pass,
        ]
        for found in (*shares, *others):
            if found.low is not None and found.high is not None:
                assert found.low <= found.value <= found.high
        for k, chance in score.pass_at.items():
            assert score.correct.total >= int(k) or chance.value is None
            assert chance.value is not None or score.correct.total < int(k) or score.undecided
        for spread in (*score.speedup.values(), score.floor):
            if spread.low is not None:
                assert spread.low <= spread.geometric_mean * (1 + 1e-9)
                assert spread.geometric_mean <= spread.high * (1 + 1e-9)


@settings(deadline=None)
@given(attempt_lists())
def test_more_attempts_never_make_the_best_worse(attempts):
    for score in score_table(attempts):
        for found in (score.pass_at, score.best_at):
            values = [found[str(k)].value for k in KS if found[str(k)].value is not None]
            assert values == pytest.approx(sorted(values))


@given(st.lists(st.sampled_from([0.0, 0.5, 2.0, 3.0]), min_size=1, max_size=8), st.sampled_from(KS))
def test_unbiased_formulas_are_the_mean_over_all_subsets(speedups, k):
    subsets = [*combinations(speedups, k)]
    correct = sum(speedup > 0 for speedup in speedups)
    if not subsets:
        assert isnan(best_at_k(speedups, k))
        return
    assert best_at_k(speedups, k) == pytest.approx(sum(map(max, subsets)) / len(subsets))
    chance = sum(any(subset) for subset in subsets) / len(subsets)
    assert pass_at_k(correct, len(speedups), k) == pytest.approx(chance)
