import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from eval.judge import stats
from eval.records import Ratio

TIMES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40)


def noisy(median_ms, relative, count=40, seed=0):
    rng = np.random.default_rng(seed)
    return list(median_ms * (1 + relative * rng.standard_normal(count)))


def oracle_interval(samples, statistic=np.median):
    rng = np.random.default_rng(1)
    found = scipy_stats.bootstrap(samples, statistic, method="percentile", n_resamples=4000, rng=rng)
    return found.confidence_interval


@pytest.mark.parametrize("count", [5, 20, 40, 101])
@pytest.mark.parametrize("relative", [0.0005, 0.01, 0.2])
def test_intervals_of_medians_are_scipys(count, relative):
    samples = noisy(3.0, relative, count)
    found = stats.quantity(samples)
    oracle = oracle_interval((samples,))
    assert found.median == np.median(samples)
    assert found.samples == count
    width = oracle.high - oracle.low
    assert found.low == pytest.approx(oracle.low, abs=0.15 * width)
    assert found.high == pytest.approx(oracle.high, abs=0.15 * width)


def test_intervals_of_ratios_are_scipys():
    above, below = noisy(9.0, 0.02, 40, 2), noisy(3.0, 0.01, 30, 3)
    found = stats.ratio(above, below)
    oracle = oracle_interval(
        (above, below), lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis)
    )
    width = oracle.high - oracle.low
    assert found.median == np.median(above) / np.median(below)
    assert found.low == pytest.approx(oracle.low, abs=0.15 * width)
    assert found.high == pytest.approx(oracle.high, abs=0.15 * width)


@settings(max_examples=25, deadline=None)
@given(TIMES, st.floats(0.01, 100))
def test_an_interval_holds_its_median_and_follows_the_unit(samples, factor):
    found = stats.quantity(samples)
    assert min(samples) <= found.low <= found.median <= found.high <= max(samples)
    scaled = stats.quantity([factor * value for value in samples])
    assert scaled.low == pytest.approx(factor * found.low)
    assert scaled.high == pytest.approx(factor * found.high)


@settings(max_examples=25, deadline=None)
@given(TIMES, TIMES)
def test_a_ratio_lies_between_its_extremes(above, below):
    found = stats.ratio(above, below)
    assert found.low <= found.median * (1 + 1e-12)
    assert found.high >= found.median * (1 - 1e-12)
    assert min(above) / max(below) * (1 - 1e-9) <= found.low
    assert found.high <= max(above) / min(below) * (1 + 1e-9)


@settings(max_examples=25, deadline=None)
@given(TIMES)
def test_a_code_against_itself_has_a_ratio_of_one(samples):
    assert stats.ratio(samples, samples).median == 1


def test_the_same_samples_give_the_same_interval():
    samples = noisy(3.0, 0.1)
    assert stats.quantity(samples) == stats.quantity(list(samples))


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        found = stats.quantity(noisy(1.0, 0.05, 40, seed))
        covered += found.low <= 1.0 <= found.high
    assert 0.90 <= covered / 200 <= 1.0


@pytest.mark.parametrize(
    ("median_ms", "relative", "count", "enough"),
    [
        (3.0, 0.0005, 20, True),
        (3.0, 0.0005, 19, False),
        (3.0, 0.05, 20, False),
        (3.0, 0.05, 400, False),
        (3.0, 0.01, 400, True),
        (0.05, 0.005, 20, True),
        (0.05, 0.05, 20, False),
        (0.9, 0.01, 100, True),
        (1.1, 0.01, 100, False),
    ],
)
def test_when_to_stop(median_ms, relative, count, enough):
    above, below = noisy(2 * median_ms, relative, count, 1), noisy(median_ms, relative, count, 2)
    assert stats.precise_enough(above, below) is enough


def test_both_sides_need_their_samples():
    assert not stats.precise_enough([2.0] * 19, [1.0] * 40)
    assert not stats.precise_enough([2.0] * 40, [1.0] * 19)
    assert stats.precise_enough([2.0] * 20, [1.0] * 20)


STEADY = noisy(3.0, 0.002)
DRIFTS = {
    "steady": (STEADY, False),
    "a slow rise of 8 %": ([v * (1 + 0.08 * i / 40) for i, v in enumerate(STEADY)], True),
    "a slow fall of 8 %": ([v * (1 - 0.08 * i / 40) for i, v in enumerate(STEADY)], True),
    "a slow rise of 1 %": ([v * (1 + 0.01 * i / 40) for i, v in enumerate(STEADY)], False),
    "a step of 5 %": ([v * (1.05 if i >= 20 else 1) for i, v in enumerate(STEADY)], True),
    "single spikes": ([v * (10 if i % 9 == 0 else 1) for i, v in enumerate(STEADY)], False),
    "a burst": ([v * (3 if 10 <= i < 15 else 1) for i, v in enumerate(STEADY)], False),
    "one spike of a hundred": ([300.0, *STEADY[1:]], False),
    "too few to tell": ([1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0], False),
    "enough to tell": ([1.0] * 5 + [9.0] * 5, True),
    "none": ([], False),
}


@pytest.mark.parametrize(("samples", "drifting"), DRIFTS.values(), ids=DRIFTS)
def test_drifts_are_told_from_noise_and_spikes(samples, drifting):
    assert stats.drifts(samples) is drifting


@pytest.mark.parametrize(
    ("low", "high", "stable", "decision"),
    [
        (1.02, 1.05, True, "keep"),
        (1.01, 1.05, True, "keep"),
        (1.009, 1.05, True, "inconclusive"),
        (0.99, 1.0101, True, "inconclusive"),
        (0.99, 1.01, True, "inconclusive"),
        (0.99, 1.0099, True, "revert"),
        (0.5, 0.6, True, "revert"),
        (1.5, 1.6, False, "revert"),
    ],
)
def test_keep_or_revert(low, high, stable, decision):
    gain = Ratio(median=(low + high) / 2, low=low, high=high)
    assert stats.decide(gain, 0.01, stable=stable) == decision


def test_without_a_current_code_or_a_gain_nothing_is_decided():
    gain = Ratio(median=2, low=2, high=2)
    assert stats.decide(None, 0.01, stable=True) is None
    assert stats.decide(gain, None, stable=True) is None


@pytest.mark.parametrize(
    ("gain", "noise", "decision"),
    [
        (1.10, 0.002, "keep"),
        (1.02, 0.002, "keep"),
        (1.00, 0.002, "revert"),
        (0.90, 0.002, "revert"),
        (1.01, 0.05, "inconclusive"),
    ],
)
def test_samples_lead_to_a_decision(gain, noise, decision):
    current, candidate = noisy(7.7, noise, 40, 4), noisy(7.7 / gain, noise, 40, 5)
    assert stats.decide(stats.ratio(current, candidate), 0.01, stable=True) == decision


def test_spikes_do_not_change_a_decision():
    current, candidate = noisy(7.7, 0.002, 40, 4), noisy(7.0, 0.002, 40, 5)
    spiked = [value * (20 if index % 8 == 0 else 1) for index, value in enumerate(candidate)]
    assert stats.decide(stats.ratio(current, spiked), 0.01, stable=True) == "keep"


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_spread_is_scipys_deviation(samples):
    oracle = scipy_stats.median_abs_deviation(samples, scale="normal")
    assert stats.spread(samples) == pytest.approx(oracle, rel=1e-3, abs=1e-9)
    assert stats.median(samples) == np.median(samples)
