"""What the statistics of a timing session must do whatever the samples: drifts, spikes, units, order."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from eval.judge import stats

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=30, deadline=None, derandomize=True)


def session(median_ms, *, count=40, noise=0.002, seed=0, drift=0.0, spikes=0.0):
    """Samples of a kernel: noise, a linear drift, and a share of calls that take 2 to 20 times as long."""
    rng = np.random.default_rng(seed)
    values = median_ms * (1 + noise * rng.standard_normal(count)) * (1 + drift * np.arange(count) / count)
    hit = rng.permutation(count) < round(spikes * count)
    return list(np.where(hit, values * rng.uniform(2, 20, count), values))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 20, 21, 60, 200])
def test_drawn_medians_are_those_of_resamples(count):
    """The judge draws medians by their place; here whole resamples are drawn, as the bootstrap is defined."""
    samples = np.random.default_rng(count).lognormal(0, 0.3, count)
    rng = np.random.default_rng(7)
    picks = rng.integers(0, count, size=(stats.RESAMPLES, count))
    whole = np.median(samples[picks], axis=1)
    drawn = stats._resampled_medians(samples, np.random.default_rng(8))
    assert drawn.shape == (stats.RESAMPLES,)
    assert scipy_stats.ks_2samp(whole, drawn).pvalue > 1e-3


@FEW
@given(SEEDS, st.integers(20, 120), st.floats(0.0005, 0.1), st.floats(0.2, 5))
def test_an_interval_of_a_ratio_is_scipys(seed, count, noise, gain):
    above, below = (
        session(3 * gain, count=count, noise=noise, seed=seed),
        session(3, noise=noise, seed=~seed & 0xFFFF),
    )
    found = stats.ratio(above, below)
    oracle = scipy_stats.bootstrap(
        (above, below), lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis),
        method="percentile", n_resamples=1000, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    width = oracle.high - oracle.low
    assert found.low == pytest.approx(oracle.low, abs=0.35 * width)
    assert found.high == pytest.approx(oracle.high, abs=0.35 * width)


def test_intervals_of_ratios_cover_the_truth_about_as_often_as_they_say():
    covered = 0
    for seed in range(300):
        above, below = (
            session(6, noise=0.03, seed=2 * seed),
            session(3, noise=0.02, count=25, seed=2 * seed + 1),
        )
        found = stats.ratio(above, below)
        covered += found.low <= 2 <= found.high
    assert scipy_stats.binomtest(covered, 300, stats.CONFIDENCE).pvalue > 1e-4


@FEW
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_samples_changes_no_interval(samples, shuffler):
    again = list(samples)
    shuffler.shuffle(again)
    assert stats.quantity(again) == stats.quantity(samples)


@FEW
@given(SEEDS, st.sampled_from([0.05, 3.0]), st.floats(1e-4, 0.05))
def test_the_stop_rule_is_what_it_says(seed, median_ms, noise):
    above, below = (
        session(2 * median_ms, noise=noise, seed=seed),
        session(median_ms, noise=noise, seed=seed + 1),
    )
    found = stats.ratio(above, below)
    half = (found.high - found.low) / 2 / found.median
    target = 0.0025 if median_ms >= 1 else 0.01
    assert stats.precise_enough(above, below) == (half <= target)


@FEW
@given(SEEDS, st.floats(1e-4, 0.05), st.integers(0, 19))
def test_no_precision_stops_before_twenty_samples(seed, noise, count):
    few = session(3, noise=noise, count=count, seed=seed)
    many = session(3, noise=noise, seed=seed)
    assert not stats.precise_enough(few, many)
    assert not stats.precise_enough(many, few)


def rounds_needed(noise, seed):
    """Rounds of a session that asks the stop rule after every fifth, as the judge does."""
    above, below = (
        session(6, noise=noise, count=400, seed=seed),
        session(3, noise=noise, count=400, seed=seed + 1),
    )
    return next((n for n in range(5, 401, 5) if stats.precise_enough(above[:n], below[:n])), math.inf)


def test_noisier_kernels_are_measured_longer():
    assert [rounds_needed(noise, 3) for noise in (0.0, 1e-4)] == [20, 20]
    needed = [rounds_needed(noise, 3) for noise in (1e-4, 5e-3, 2e-2, 0.5)]
    assert needed == sorted(needed)
    assert needed[-1] == math.inf


@FEW
@given(SEEDS, st.one_of(st.floats(-0.8, -0.12), st.floats(0.12, 1)), st.integers(20, 100))
def test_a_drift_is_noticed(seed, drift, count):
    assert stats.drifts(session(3, drift=drift, seed=seed, count=count))


@FEW
@given(SEEDS, st.floats(-0.02, 0.02), st.floats(0, 0.15), st.integers(20, 100))
def test_noise_spikes_and_small_drifts_are_none(seed, drift, spikes, count):
    assert not stats.drifts(session(3, drift=drift, spikes=spikes, seed=seed, count=count))


@FEW
@given(SEEDS, st.floats(1.03, 3), st.floats(0, 0.2))
def test_a_gain_is_kept_through_spikes(seed, gain, spikes):
    current = session(3 * gain, spikes=spikes, seed=seed)
    candidate = session(3, spikes=spikes, seed=seed + 1)
    assert stats.decide(stats.ratio(current, candidate), 0.01, stable=True) == "keep"


@FEW
@given(SEEDS, st.floats(0.3, 1.0), st.floats(0, 0.2))
def test_what_gains_nothing_is_reverted_through_spikes(seed, gain, spikes):
    current = session(3 * gain, spikes=spikes, seed=seed)
    candidate = session(3, spikes=spikes, seed=seed + 1)
    assert stats.decide(stats.ratio(current, candidate), 0.01, stable=True) == "revert"


@FEW
@given(SEEDS, st.floats(-0.2, 0.3))
def test_a_drift_of_all_who_take_turns_changes_no_decision(seed, drift):
    current, candidate = (session(ms, drift=drift, seed=seed + i) for i, ms in enumerate((3.3, 3.0)))
    assert stats.decide(stats.ratio(current, candidate), 0.01, stable=True) == "keep"


@FEW
@given(SEEDS, st.floats(1.2, 3))
def test_what_is_not_stable_is_reverted_however_fast(seed, gain):
    ratio = stats.ratio(session(3 * gain, seed=seed), session(3, seed=seed + 1))
    assert stats.decide(ratio, 0.01, stable=False) == "revert"
    assert stats.decide(ratio, None, stable=False) is None


@pytest.mark.parametrize(("places", "turns"), [(4, 20), (14, 20), (29, 60)])
def test_one_code_in_two_memories_is_as_fast_within_the_interval(places, turns):
    """The true ratio is 1; both sides have places of their own, which differ by 1 %, and noise by turn."""
    rng = np.random.default_rng(places)
    covered, trials = 0, 400
    for _ in range(trials):
        sides = [
            rng.normal(1.0, 0.01, places) + 0.002 * rng.standard_normal((turns, places)) for _ in range(2)
        ]
        width = math.hypot(*map(stats.place_half_width, sides))
        found = stats.ratio(*([float(mean) for mean in side.mean(axis=1)] for side in sides), width)
        covered += found.low <= 1 <= found.high
    assert covered / trials > 0.9


def test_few_places_and_places_that_are_alike_say_nothing():
    assert stats.place_half_width([[1.0, 2.0, 3.0]] * 5) == 0
    assert stats.place_half_width([]) == 0
    assert stats.place_half_width([[1.0] * 8] * 5) == 0


@pytest.mark.parametrize("turn", [[1.0, 0, 0, 0, 0], [0.0] * 5, [1e-300] * 4 + [1e300]])
def test_times_that_a_runner_makes_up_leave_an_interval_that_can_be_read(turn):
    width = stats.place_half_width([turn] * 20)
    assert 0 < width <= 1
    found = stats.ratio([1.0] * 20, [1.0] * 20, math.hypot(width, width))
    assert 0 <= found.low <= 1 <= found.high < math.inf
