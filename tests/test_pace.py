"""Limits a minute, prices and waits: what is worked out without asking anybody."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.llm.failures import retry_after_s
from harness.llm.gate import Gate
from harness.llm.pace import Window
from harness.llm.prices import Price, Tokens, guess_tokens, tokens_of


def test_window_lets_pass_what_fits_and_says_how_long_the_rest_waits():
    window = Window(3, seconds=60)
    for moment in (0, 10, 20):
        assert window.delay(1, moment) == 0
        window.add(1, moment)
    assert window.delay(1, 30) == 30
    assert window.delay(2, 30) == 40
    assert window.delay(1, 60) == 0


def test_more_than_the_limit_passes_alone():
    window = Window(100, seconds=60)
    assert window.delay(1000, 0) == 0
    window.add(1000, 0)
    assert window.delay(1, 1) == 59
    assert window.delay(1, 60) == 0


def test_amount_is_corrected_when_it_is_known():
    window = Window(100, seconds=60)
    entry = window.add(90, 0)
    assert window.delay(20, 1) == 59
    entry.amount = 10
    assert window.delay(20, 1) == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), min_size=1, max_size=60))
def test_no_minute_holds_more_than_the_limit(wanted):
    window, now, passed = Window(50, seconds=60), 0.0, []
    for pause, amount in wanted:
        now += pause
        while (delay := window.delay(amount, now)) > 0:
            now += delay
        window.add(amount, now)
        passed.append((now, amount))
    for start, _ in passed:
        assert sum(amount for moment, amount in passed if start <= moment < start + 60 - 1e-6) <= 50


def test_gate_lets_fewer_in_after_a_refusal_and_more_again_as_it_goes_well():
    gate = Gate(16)
    gate.refused(None)
    gate.refused(None)
    assert gate.allowed == 8
    for _ in range(100):
        gate.went_well()
    assert gate.allowed == 16


def test_gate_holds_no_more_than_its_limit():
    async def run():
        gate, inside, most = Gate(3), 0, 0

        async def call():
            nonlocal inside, most
            async with gate.passing(1):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(call() for _ in range(20)))
        return most

    assert asyncio.run(run()) == 3


def test_gate_whose_waiting_call_is_cancelled_serves_the_next():
    async def run():
        gate = Gate(1)
        async with gate.passing(1):
            waiting = asyncio.create_task(enter(gate))
            await asyncio.sleep(0)
            waiting.cancel()
            later = asyncio.create_task(enter(gate))
            await asyncio.sleep(0)
        return await asyncio.wait_for(later, 5)

    async def enter(gate):
        async with gate.passing(1):
            return "served"

    assert asyncio.run(run()) == "served"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_wait_that_headers_ask_for(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_wait_until_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < retry_after_s({"retry-after": then}) <= 3600


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3}, Tokens(input=5, output=3)),
        ({"input_tokens": 5, "output_tokens": 3}, Tokens(input=5, output=3)),
        (
            {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            Tokens(input=5, output=3, cached=5),
        ),
        (
            {"input_tokens": 5, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 2}},
            Tokens(input=5, output=3, reasoning=2),
        ),
        ({}, None),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": -1, "completion_tokens": 3}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": 7}, Tokens(input=5, output=3)),
    ],
)
def test_tokens_that_an_endpoint_states(usage, tokens):
    assert tokens_of(usage) == tokens


def test_price_of_tokens():
    tokens = Tokens(input=1_000_000, cached=400_000, output=500_000)
    assert tokens.cost(None) is None
    assert tokens.cost(Price(input=2, output=10)) == pytest.approx(2 + 5)
    assert tokens.cost(Price(input=2, output=10, cached_input=0.5)) == pytest.approx(1.2 + 0.2 + 5)


@given(st.text())
def test_guess_is_never_nothing_for_a_text(text):
    assert (guess_tokens(text) > 0) == bool(text)
