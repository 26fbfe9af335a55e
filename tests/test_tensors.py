import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.tensors import DTYPES, TensorDesc, dtype_name, itemsize, parse_desc, torch_dtype, view  # noqa: E402

REGION = 4096
GOOD = {"offset": 64, "shape": [2, 3], "stride": [3, 1], "dtype": "float32"}
ODD = st.one_of(
    st.integers(-3, 40),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.floats(),
    st.lists(st.integers(0, 9), max_size=2),
)
SIZES = st.lists(st.integers(0, 40), max_size=4) | st.lists(ODD, max_size=18) | ODD
RAW = st.fixed_dictionaries(
    {
        "offset": st.integers(0, REGION) | ODD,
        "shape": SIZES,
        "stride": SIZES,
        "dtype": st.sampled_from(DTYPES) | ODD,
    }
)


@st.composite
def descriptions(draw):
    """Any well-formed description, inside of the region or not."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 9), max_size=4))
    stride = [draw(st.integers(0, 40)) for _ in shape]
    offset = draw(st.integers(0, REGION // 8)) * draw(st.sampled_from([1, itemsize(dtype)]))
    return {"offset": offset, "shape": shape, "stride": stride, "dtype": dtype}


def addressed(raw):
    """The bytes of every element, by enumeration."""
    size = itemsize(raw["dtype"])
    for index in itertools.product(*map(range, raw["shape"])):
        first = raw["offset"] + size * sum(i * s for i, s in zip(index, raw["stride"], strict=True))
        yield from (first, first + size - 1)


@given(descriptions())
def test_accepted_exactly_where_every_element_lies_inside_and_aligned(raw):
    fits = all(0 <= byte < REGION for byte in addressed(raw)) and raw["offset"] <= REGION
    aligned = raw["offset"] % itemsize(raw["dtype"]) == 0
    try:
        desc = parse_desc(raw, REGION)
    except ValueError:
        assert not (fits and aligned)
        return
    assert fits
    assert aligned
    assert desc.numel() == len(list(itertools.product(*map(range, raw["shape"]))))


@given(RAW)
def test_nothing_is_accepted_that_cannot_be_read(raw):
    try:
        desc = parse_desc(raw, REGION)
    except ValueError:
        return
    base = torch.arange(REGION // 4, dtype=torch.int32).view(torch.uint8)
    read = view(base, desc)
    assert (list(read.shape), dtype_name(read.dtype)) == (raw["shape"], raw["dtype"])
    if read.numel():
        first = read.data_ptr() - base.data_ptr()
        last = first + read.dtype.itemsize * (
            1 + sum((n - 1) * s for n, s in zip(read.shape, read.stride(), strict=True))
        )
        assert 0 <= first < last <= REGION


@pytest.mark.parametrize(
    "change",
    [
        {"offset": -4},
        {"offset": 2},
        {"offset": True},
        {"offset": 64.0},
        {"offset": "64"},
        {"offset": None},
        {"offset": 2**80},
        {"shape": [2, -3]},
        {"shape": [2, 3.0]},
        {"shape": [True, True]},
        {"shape": [2]},
        {"shape": [2**48, 2**48]},
        {"shape": "23"},
        {"shape": {"0": 2}},
        {"shape": [[2], 3]},
        {"shape": [1] * 17, "stride": [1] * 17},
        {"stride": [3, -1]},
        {"stride": [2**47, 1]},
        {"stride": None},
        {"dtype": "float31"},
        {"dtype": "Tensor"},
        {"dtype": 7},
        {"dtype": ["float32"]},
        {"pointer": 1},
    ],
)
def test_malformed_descriptions_are_refused(change):
    assert parse_desc(GOOD, REGION)
    with pytest.raises(ValueError, match=r"\w"):
        parse_desc(GOOD | change, REGION)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float16", "float32", "complex128"])
@pytest.mark.parametrize("count", [1, 7])
def test_the_last_byte_of_the_region_is_the_border(dtype, count):
    size = itemsize(dtype)
    last = REGION - count * size
    raw = {"offset": last // size * size, "shape": [count], "stride": [1], "dtype": dtype}
    assert parse_desc(raw, last // size * size + count * size)
    with pytest.raises(ValueError, match="outside"):
        parse_desc(raw, last // size * size + count * size - 1)


@pytest.mark.parametrize("raw", [None, [], "x", 7, {}, {"offset": 0}, [GOOD]])
def test_what_is_no_description_is_refused(raw):
    with pytest.raises(ValueError, match="not a tensor description"):
        parse_desc(raw, REGION)


def test_a_description_is_a_frozen_value():
    desc = parse_desc(GOOD, REGION)
    with pytest.raises(ValidationError):
        desc.offset = 0


@pytest.mark.parametrize("name", [name for name in DTYPES if hasattr(torch, name)])
def test_sizes_and_names_are_torchs_own(name):
    assert itemsize(name) == torch_dtype(name).itemsize
    assert dtype_name(torch_dtype(name)) == name


@given(descriptions())
def test_a_view_reads_the_bytes_that_are_described(raw):
    try:
        desc = parse_desc(raw, REGION)
    except ValueError:
        return
    base = (
        torch.arange(REGION, dtype=torch.int64).remainder_(2 if desc.dtype == "bool" else 251).to(torch.uint8)
    )
    size = itemsize(desc.dtype)
    firsts = list(addressed(raw))[::2]
    expected = torch.cat([base[first : first + size] for first in firsts]) if firsts else base[:0]
    dense = torch.empty(desc.numel(), dtype=torch_dtype(desc.dtype)).copy_(view(base, desc).reshape(-1))
    assert torch.equal(dense.view(torch.uint8), expected)


def test_an_empty_tensor_has_no_span():
    desc = TensorDesc(offset=0, shape=(3, 0), stride=(1, 1), dtype="float64")
    assert (desc.span_elements(), desc.numel()) == (0, 0)
