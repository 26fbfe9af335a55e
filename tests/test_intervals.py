"""The intervals, held against scipy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_attempts import attempt, incorrect, passed, timing
from scipy import stats

from harness.scores import facts_of, overall_table, score_table, wilson
from harness.scores.formulas import pass_at_k
from harness.scores.resampling import RESAMPLES, percentiles, product, resample_sums


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson(case):
    count, total = case
    expected = stats.binomtest(count, total).proportion_ci(0.95, "wilson")
    assert wilson(count, total) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high))


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(1, n), st.just(n))))
def test_pass_at_k_is_a_hypergeometric_chance(case):
    correct, k, decided = case
    chance = 1 - stats.hypergeom(decided, correct, k).pmf(0)
    assert pass_at_k(correct, decided, k) == pytest.approx(chance)


SPEEDUPS = np.random.default_rng(5).lognormal(0.4, 0.5, 60)


def test_the_interval_of_a_mean_speedup():
    (score,) = score_table(
        facts_of(attempt(n, passed(timing(float(x))), stage=None)) for n, x in enumerate(SPEEDUPS)
    )
    expected = stats.bootstrap(
        (np.log(SPEEDUPS),), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    got = score.speedup["eager"]
    assert got.geometric_mean == pytest.approx(stats.gmean(SPEEDUPS))
    width = expected.high - expected.low
    assert np.log([got.low, got.high]) == pytest.approx([expected.low, expected.high], abs=0.1 * width)


def test_the_interval_over_problems_covers_the_truth_as_often_as_it_says():
    """Problems with rates drawn from Beta(2, 2), ten attempts each: the mean of all such is a half."""
    random = np.random.default_rng(11)
    trials, problems, samples = 40, 20, 10
    right, wrong = (facts_of(attempt(0, verdict, stage=None)) for verdict in (passed(), incorrect()))
    held = 0
    for _ in range(trials):
        rates = random.beta(2, 2, problems)
        facts = [
            (right if random.random() < rate else wrong)._replace(
                id=f"{p} {s}", reply=f"{p} {s}", problem=f"p{p}"
            )
            for p, rate in enumerate(rates)
            for s in range(samples)
        ]
        (score,) = overall_table(facts)
        held += score.correct.low <= 0.5 <= score.correct.high
    assert stats.binomtest(held, trials, 0.95).pvalue > 1e-4


@settings(max_examples=20)
@given(st.integers(1, 40))
def test_each_resample_draws_as_many_as_there_are(rows):
    assert resample_sums(np.ones((rows, 1))).shape == (RESAMPLES, 1)
    assert set(resample_sums(np.ones((rows, 1))).ravel()) == {float(rows)}


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(1, 1, 1), (65, 3, 300), (500, 50, 64), (70, 9000, 2)]
)
def test_a_product_in_tiles_is_the_product(rows, inner, columns):
    random = np.random.default_rng(3)
    left, right = random.random((rows, inner)), random.random((inner, columns))
    assert product(left, right) == pytest.approx(left @ right)
    narrow = product(left.astype(np.float32), right.astype(np.float32))
    assert (narrow.dtype, narrow.shape) == (np.float32, (rows, columns))


def test_a_large_table_of_draws_is_made_in_blocks_and_is_right():
    values = np.arange(9000.0)[:, None]
    means = resample_sums(values) / 9000
    assert means.shape == (RESAMPLES, 1)
    assert means.mean() == pytest.approx(4499.5, rel=0.005)
    assert means.std() == pytest.approx(values.std() / np.sqrt(9000), rel=0.15)


def test_percentiles_leave_out_what_is_no_number():
    column = np.array([np.nan] * 400 + list(range(600)), dtype=float)
    assert percentiles(column) == pytest.approx([15, 584])
    assert np.isnan(percentiles(np.array([np.nan] * 600 + [1.0] * 400))).all()
