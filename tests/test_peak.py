"""The most arithmetic that a GPU can do: never less than what its maker says."""

import pytest

from eval.judge.peak import flops_a_second

CARDS = {
    "H100 SXM": ((9, 0), 132, 1.83e9, 989.4e12, 494.7e12),
    "A100": ((8, 0), 108, 1.41e9, 312e12, 156e12),
    "RTX 4090, fp16 accumulator": ((8, 9), 128, 2.52e9, 330.3e12, 82.6e12),
}


@pytest.mark.parametrize("card", CARDS)
def test_the_bound_is_not_below_the_data_sheet(card):
    capability, sms, clock, half, single = CARDS[card]
    assert flops_a_second(capability, sms, clock, ["bfloat16"]) == pytest.approx(half, rel=0.01)
    assert flops_a_second(capability, sms, clock, ["float32"]) >= 0.99 * single
    assert flops_a_second(capability, sms, clock, ["float32", "float16"]) == pytest.approx(half, rel=0.01)


@pytest.mark.parametrize(
    ("capability", "clock", "dtypes"),
    [((6, 1), 1e9, ["float32"]), ((9, 0), 0.0, ["float32"]), ((9, 0), 1e9, ["float64"]), ((9, 0), 1e9, [])],
)
def test_what_is_not_known_bounds_nothing(capability, clock, dtypes):
    assert flops_a_second(capability, 132, clock, dtypes) is None
