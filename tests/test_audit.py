"""The clock audit on synthetic contestants: what an honest runner shows, and what a liar cannot hide."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge import audit
from eval.judge.contestant import Contestant

EXCHANGE_MS, SEAL_MS = 0.18, 0.06


def contestant(
    call_ms, *, seed, turns=40, calls=1, noise_ms=0.004, drift_ms=0.0, hidden=0.0, late=0.0, trusted=True
):
    """A runner whose calls take `call_ms`.

    `hidden` is the part of it that its events do not show, `late` the part done after it rang.
    """
    rng = np.random.default_rng(seed)
    made = Contestant("role", None, None, None, "key", trusted=trusted)
    made.calls = calls
    for turn in range(turns):
        work = call_ms * (1 + 0.0005 * rng.standard_normal())
        exchange = (EXCHANGE_MS + drift_ms * turn / turns + noise_ms * rng.standard_normal()) / calls
        seal = SEAL_MS + noise_ms * rng.standard_normal()
        made.record([work * (1 - hidden - late)] * calls)
        made.done_ms.append(work * (1 - late) + exchange)
        made.sealed_ms.append(seal + work * late * calls)
    return made


def baselines(*, calls=1, seed=0, **more):
    return [contestant(ms, seed=seed + i, calls=calls, **more) for i, ms in enumerate((9.0, 5.0, 7.7))]


def disputes(candidates, **more):
    return sum(
        audit.disputed(made, baselines(seed=1000 * i, **more)) is not None
        for i, made in enumerate(candidates)
    )


@pytest.mark.parametrize("call_ms", [0.05, 0.3, 3.0, 30.0])
@pytest.mark.parametrize("noise_ms", [0.0005, 0.004, 0.02])
def test_honest_runners_are_believed(call_ms, noise_ms):
    calls = max(1, min(32, round(1 / call_ms)))
    honest = [
        contestant(call_ms, seed=500 + i, calls=calls, noise_ms=noise_ms, trusted=False) for i in range(50)
    ]
    assert disputes(honest, calls=calls, noise_ms=noise_ms) == 0


def test_a_drift_that_all_share_is_no_lie():
    honest = [contestant(3.0, seed=500 + i, drift_ms=0.03, trusted=False) for i in range(20)]
    assert disputes(honest, drift_ms=0.03) == 0


@pytest.mark.parametrize("how", ["hidden", "late"])
def test_five_per_cent_of_three_milliseconds_are_seen(how):
    liars = [contestant(3.0, seed=500 + i, trusted=False, **{how: 0.05}) for i in range(50)]
    assert disputes(liars) == 50


@pytest.mark.parametrize("how", ["hidden", "late"])
def test_a_quarter_of_fifty_microseconds_is_seen(how):
    liars = [contestant(0.05, seed=500 + i, calls=20, trusted=False, **{how: 0.25}) for i in range(20)]
    assert disputes(liars, calls=20) == 20


def test_half_of_the_work_hidden_is_seen_through_much_noise():
    liars = [contestant(3.0, seed=500 + i, noise_ms=0.3, hidden=0.5, trusted=False) for i in range(20)]
    assert disputes(liars, noise_ms=0.3) == 20


def test_both_numbers_are_told():
    liar = contestant(3.0, seed=1, hidden=0.5, trusted=False)
    text = audit.disputed(liar, baselines())
    assert "events say 1.5 ms" in text
    assert "judge's clock 3" in text


@pytest.mark.parametrize(("hidden", "late"), [(0, 0), (0.3, 0), (0, 0.3), (0.2, 0.2)])
def test_the_judges_time_is_the_whole_work(hidden, late):
    made = contestant(3.0, seed=1, hidden=hidden, late=late, trusted=False)
    assert audit.judge_ms(made, baselines()) == pytest.approx(3.0, rel=0.01)


def test_what_the_exchange_costs_is_learned_from_trusted_runners():
    trusted = baselines()
    assert audit.exchange_ms(trusted) == pytest.approx(EXCHANGE_MS, abs=0.005)
    assert audit.seal_ms(trusted) == pytest.approx(SEAL_MS, abs=0.005)
    assert all(abs(audit.residual_ms(made, trusted)) < 0.01 for made in trusted)


def test_events_that_say_too_much_are_no_dispute():
    honest = contestant(3.0, seed=1, trusted=False)
    said(honest, [[ms * 1.1] for ms in honest.event_ms])
    assert audit.disputed(honest, baselines()) is None


def test_the_bound_grows_with_the_noise_of_the_candidate_to_three_times_that_of_others():
    trusted = baselines(noise_ms=0.004)
    bounds = [
        audit.bound_ms(contestant(3.0, seed=1, noise_ms=ms), trusted) for ms in (0.001, 0.008, 0.04, 0.4)
    ]
    assert bounds[0] < bounds[1] < bounds[2]
    assert bounds[3] == bounds[2]


@pytest.mark.parametrize("which", ["done_ms", "sealed_ms"])
@pytest.mark.parametrize("turns", [20, 80])
def test_delays_drawn_by_lot_hide_no_lie(which, turns):
    """Half of the turns are held up, outside of the events: the middle moves little, the noise is large."""
    liars = [contestant(3.0, seed=500 + i, turns=turns, hidden=0.05, trusted=False) for i in range(20)]
    for number, liar in enumerate(liars):
        held_up = np.random.default_rng(number).permutation(turns) < turns // 2
        times = getattr(liar, which)
        setattr(liar, which, [ms + 50.0 * late for ms, late in zip(times, held_up, strict=True)])
    assert disputes(liars, turns=turns) == 20


def said(made, turns_ms):
    """Let its events say these times, by turn and call."""
    done_ms, sealed_ms = made.done_ms, made.sealed_ms
    made.clear()
    made.done_ms, made.sealed_ms = done_ms, sealed_ms
    for turn_ms in turns_ms:
        made.record(turn_ms)


TRUE_MS = 0.3


def mostly_short(rng, turns):
    """Under half of the turns are short by 5 %; in the others half of the calls are, and the rest make up."""
    short = rng.permutation(turns) < turns // 2 - 1
    return [
        [0.95 * TRUE_MS] * 4 if one else list(rng.permutation([0.95, 1.05] * 2) * TRUE_MS) for one in short
    ]


def short_but_for_endless_calls(rng, turns):
    """In over half of the turns one call took forever; all others are short by 70 %."""
    times = np.full((turns, 4), 0.3 * TRUE_MS)
    times[rng.permutation(turns)[: turns // 2 + 1], rng.integers(4)] = 1000 * TRUE_MS
    return times.tolist()


@pytest.mark.parametrize("turns", [12, 80])
@pytest.mark.parametrize("deal", [mostly_short, short_but_for_endless_calls])
def test_times_dealt_out_so_that_most_samples_are_short_gain_nothing(deal, turns):
    for seed in range(20):
        liar = contestant(TRUE_MS, seed=500 + seed, turns=turns, calls=4, trusted=False)
        said(liar, deal(np.random.default_rng(seed), turns))
        refused = audit.disputed(liar, baselines(seed=1000 * seed, calls=4)) is not None
        assert refused or np.median(liar.samples_ms) > 0.99 * TRUE_MS


@pytest.mark.parametrize("turns", [12, 40])
def test_honest_times_with_a_long_tail_are_believed(turns):
    liars = 0
    for seed in range(50):
        honest = contestant(0.5, seed=500 + seed, turns=turns, calls=4, trusted=False)
        rng = np.random.default_rng(seed)
        times = 0.5 * (1 + 0.2 * (rng.random((turns, 4)) < 0.22))
        honest.done_ms = [
            done - 0.5 + ms for done, ms in zip(honest.done_ms, times.mean(axis=1), strict=True)
        ]
        said(honest, times.tolist())
        liars += audit.disputed(honest, baselines(seed=1000 * seed, calls=4)) is not None
        assert np.median(honest.samples_ms) >= np.median(honest.event_ms)
    assert liars == 0


def test_nothing_is_disputed_of_what_is_charged_in_full():
    waiting = contestant(0.2, seed=1, hidden=0.3, late=0.1, trusted=False)
    assert audit.disputed(waiting, baselines()) is not None
    waiting.waits = True
    assert audit.disputed(waiting, baselines()) is None
    events = sum(waiting.event_ms) / len(waiting.event_ms)
    assert events + audit.outside_ms(waiting, baselines()) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("disputes", "doubted", "again"),
    [
        ([False], False, False), ([False], True, True), ([True], False, True), ([True], True, True),
        ([False, False], True, False), ([True, False], False, False), ([True, True], False, False),
        ([False, True], False, True), ([False, True, True], False, False),
        ([False, True, False], True, False),
    ],
)  # fmt: skip
def test_sessions_are_repeated_until_a_dispute_is_settled(disputes, doubted, again):
    assert audit.once_more(disputes, doubted=doubted) is again
