"""What events cost, by turns of several sessions, some of which a candidate may have disturbed."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.null_turns import NullTurns

SPUN_MS, EXCHANGE_MS, EVENT_MS, OUTSIDE_MS = 8 * 0.004, 0.2, 0.003, 0.00139


def session(nulls, role="eager", calls=8, *, event_ms=EVENT_MS + OUTSIDE_MS, exchange_ms=EXCHANGE_MS):
    """Take the turns that one session wants, all alike, and return how many."""
    count = nulls.wanted(role, calls)
    for _ in range(count):
        nulls.record(exchange_ms + SPUN_MS + calls * event_ms, SPUN_MS, [event_ms] * calls)
    return count


def test_what_events_and_the_exchange_cost():
    nulls = NullTurns()
    session(nulls)
    assert nulls.event_ms == pytest.approx(EVENT_MS)
    assert nulls.exchange_ms == pytest.approx(EXCHANGE_MS)
    assert nulls.exchange_spread_ms == pytest.approx(0, abs=1e-12)


def test_the_first_session_takes_more_turns_and_another_runner_or_number_of_calls_begins_anew():
    nulls = NullTurns()
    first, later = session(nulls), session(nulls)
    assert first > later
    assert session(nulls, event_ms=0.002, calls=4) == first
    assert nulls.event_ms == pytest.approx(0.002 - OUTSIDE_MS)
    assert session(nulls, "current", 4) == first
    assert session(nulls, "current", 4) == later


def test_candidates_that_keep_the_gpu_busy_in_their_sessions_change_nothing_where_most_do_not():
    nulls = NullTurns()
    session(nulls)
    for _ in range(4):
        for event_ms in (0.1, EVENT_MS + OUTSIDE_MS, EVENT_MS + OUTSIDE_MS):
            session(nulls, event_ms=event_ms)
            assert nulls.event_ms == pytest.approx(EVENT_MS)


def test_what_is_taken_off_follows_the_machine_and_never_exceeds_what_was_ever_right():
    nulls = NullTurns()
    session(nulls)
    for _ in range(5):
        session(nulls, event_ms=0.002 + OUTSIDE_MS)
    assert nulls.event_ms == pytest.approx(0.002)
    for _ in range(5):
        session(nulls, event_ms=1.0)
    assert nulls.event_ms == 0.005
    for _ in range(5):
        session(nulls, event_ms=0.001)
    assert nulls.event_ms == 0.0


def test_a_pair_that_was_disturbed_is_left_out_of_its_turn():
    nulls = NullTurns()
    for _ in range(nulls.wanted("eager", 8)):
        nulls.record(1.0, SPUN_MS, [EVENT_MS + OUTSIDE_MS] * 7 + [0.05])
    assert nulls.event_ms == pytest.approx(EVENT_MS)
