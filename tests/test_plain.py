import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.plain import decode, encode

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=True)
        return len(left) == len(right) and all(
            same(a, b) for one, two in pairs for a, b in zip(one, two, strict=True)
        )
    return left == right


@given(VALUES)
def test_a_value_survives_the_way_through_json(value):
    text = json.dumps(encode(value), allow_nan=False)
    assert same(decode(json.loads(text)), value)


@pytest.mark.parametrize(
    "value", [-0.0, float("inf"), -float("inf"), 5e-324, 2**100, {"tuple": 1}, {"float": "x"}, {}]
)
def test_odd_values(value):
    back = decode(json.loads(json.dumps(encode(value), allow_nan=False)))
    assert same(back, value)
    assert not isinstance(value, float) or math.copysign(1, back) == math.copysign(1, value)


@pytest.mark.parametrize(
    "value", [torch.ones(1), torch.float32, [torch.nn.Identity()], {"a": {1, 2}}, b"x", 1j, print]
)
def test_what_has_no_plain_form_is_refused(value):
    with pytest.raises(TypeError, match="plain value"):
        encode(value)
