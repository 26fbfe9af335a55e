"""What events cost, by turns beside several candidates, some of which may keep the GPU busy meanwhile."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.null_turns import NullTurn, NullTurns

CALLS, EXCHANGE_MS, EVENT_MS, OUTSIDE_MS, MOST_MS = 8, 0.2, 0.003, 0.00139, 0.005
CLEAN, BUSY = EVENT_MS + OUTSIDE_MS, 0.1


def turn(event_ms, exchange_ms=EXCHANGE_MS):
    spun_ms = CALLS * 0.004
    return NullTurn(exchange_ms + spun_ms + CALLS * event_ms, spun_ms, [event_ms] * CALLS)


def after(*candidates):
    """What is known when these candidates have been timed, by what events showed beside each."""
    nulls = NullTurns()
    for event_ms in candidates:
        nulls.record([turn(event_ms)] * nulls.wanted(first=True))
    return nulls


def test_what_events_and_the_exchange_cost():
    nulls = after(CLEAN)
    assert nulls.event_ms == pytest.approx(EVENT_MS)
    assert nulls.exchange_ms == pytest.approx(EXCHANGE_MS)
    assert nulls.exchange_spread_ms == pytest.approx(0, abs=1e-12)


def test_the_first_candidates_get_more_turns_and_a_session_that_is_repeated_none():
    assert NullTurns().wanted(first=True) == NullTurns().wanted(first=False) == 9
    assert after(CLEAN).wanted(first=True) == 9
    assert after(CLEAN).wanted(first=False) == 0
    assert after(CLEAN, CLEAN, CLEAN).wanted(first=True) == 3
    assert after(CLEAN, CLEAN, CLEAN).wanted(first=False) == 0


@pytest.mark.parametrize(
    "candidates",
    [
        [CLEAN, BUSY],
        [BUSY, CLEAN],
        [BUSY, CLEAN, CLEAN],
        [CLEAN, BUSY, CLEAN],
        [CLEAN, CLEAN, BUSY],
        [CLEAN, CLEAN, CLEAN, BUSY, BUSY],
        [BUSY, BUSY, BUSY, CLEAN, CLEAN, CLEAN],
        [BUSY, CLEAN, BUSY, CLEAN, CLEAN],
    ],
)
def test_candidates_that_keep_the_gpu_busy_change_nothing_where_most_do_not(candidates):
    assert after(*candidates).event_ms == pytest.approx(EVENT_MS)


def test_where_most_of_them_do_what_is_taken_off_is_bounded_all_the_same():
    assert after(BUSY).event_ms == after(CLEAN, CLEAN, BUSY, BUSY, BUSY).event_ms == MOST_MS
    assert after(0.001).event_ms == 0.0


def test_what_is_taken_off_follows_the_machine():
    slower = [CLEAN - 0.001] * 3
    assert after(CLEAN, CLEAN, CLEAN, *slower).event_ms == pytest.approx(EVENT_MS - 0.001)


def test_a_pair_that_was_disturbed_is_left_out_of_its_turn():
    disturbed = turn(CLEAN)._replace(beyond_ms=[CLEAN] * 7 + [0.05])
    nulls = NullTurns()
    nulls.record([disturbed] * 9)
    assert nulls.event_ms == pytest.approx(EVENT_MS)
