import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.contents import DENSE, FAMILIES, fill, fill_whole  # noqa: E402
from eval.tensors import DTYPES  # noqa: E402

NAMES = [*FAMILIES, "mixed"]
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
WHOLE = [getattr(torch, name) for name in ("int64", "int32", "int16", "int8", "uint8")]
by_name = {dtype: str(dtype) for dtype in [*FLOATS, *WHOLE]}.get


def filled(family, dtype, seed=0, shape=(16, 257)):
    out = torch.full(shape, float("nan"), dtype=dtype)
    fill(out, family, torch.Generator().manual_seed(seed))
    return out


@pytest.mark.parametrize("dtype", FLOATS, ids=by_name)
@pytest.mark.parametrize("family", NAMES)
def test_every_family_fills_every_dtype_with_varied_finite_numbers(family, dtype):
    out = filled(family, dtype)
    assert bool(out.isfinite().all())
    assert out.unique().numel() > 6
    assert float(out.double().std()) > 0


@pytest.mark.parametrize("dtype", FLOATS, ids=by_name)
@pytest.mark.parametrize("family", NAMES)
def test_long_sums_stay_finite(family, dtype):
    """Half precision overflows at 65504: a scan of a row of the official length must not."""
    out = filled(family, dtype, shape=(2, 4096))
    assert float(out.double().abs().sum(1).max()) * 8 < torch.finfo(dtype).max


@pytest.mark.parametrize("family", NAMES)
def test_contents_are_new_for_every_seed_and_the_same_for_one(family):
    assert torch.equal(filled(family, torch.float32, 1), filled(family, torch.float32, 1))
    first, second = filled(family, torch.float32, 1), filled(family, torch.float32, 2)
    assert float((first != second).double().mean()) > 0.02


@pytest.mark.parametrize("family", DENSE)
def test_dense_families_leave_no_element_at_zero(family):
    assert float((filled(family, torch.float32) == 0).double().mean()) < 0.001


def test_families_differ_in_what_they_catch():
    samples = {family: filled(family, torch.float64, shape=(64, 512)) for family in FAMILIES}
    assert float(samples["uniform"].min()) >= 0
    assert float(samples["offset"].mean() / samples["offset"].std()) > 100
    assert float(samples["heavy"].abs().max()) > 20 * float(samples["heavy"].abs().median())
    assert bool((samples["integers"] == samples["integers"].round()).all())
    assert float(samples["tiny"].abs().max()) < 0.01
    assert 0.005 < float((samples["spikes"] > 0).double().mean()) < 0.1
    assert bool((samples["sorted"].diff(dim=1) >= 0).all())
    zeros = samples["signed_zeros"][samples["signed_zeros"] == 0]
    assert 0 < int(zeros.signbit().sum()) < zeros.numel()


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (1, 1), (3, 1, 2), (1, 5)])
@pytest.mark.parametrize("family", NAMES)
def test_any_shape_can_be_filled(family, shape):
    assert bool(filled(family, torch.float32, shape=shape).isfinite().all())


def test_mixed_rows_come_from_more_than_one_family():
    rows = filled("mixed", torch.float64, shape=(8, 4096)).abs().amax(1)
    assert float(rows.max()) > 4 * float(rows.min())


@pytest.mark.parametrize("dtype", WHOLE, ids=by_name)
def test_whole_numbers_are_small_and_varied(dtype):
    out = torch.full((64,), 99, dtype=dtype)
    fill_whole(out, 0, 8, torch.Generator().manual_seed(0))
    assert (int(out.min()), int(out.max())) == (0, 7)


def test_bools_are_both():
    out = torch.zeros(64, dtype=torch.bool)
    fill_whole(out, 0, 2, torch.Generator().manual_seed(0))
    assert 0 < int(out.sum()) < 64


def test_the_dtypes_of_a_problem_are_known():
    assert {str(dtype).removeprefix("torch.") for dtype in [*FLOATS, *WHOLE]} <= set(DTYPES)
