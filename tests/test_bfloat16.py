"""Bfloat16 in Triton's interpreter: the same numbers as torch's."""

import operator

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")
pytest.importorskip("triton", reason="needs the extra `eval`")

import numpy as np  # noqa: E402
import triton.language as tl  # noqa: E402
from triton.runtime import interpreter  # noqa: E402

from eval.runner import bfloat16  # noqa: E402


class Builder(interpreter.InterpreterBuilder):
    """The interpreter's, to be changed for this file alone."""


bfloat16.install(Builder)
BUILDER = Builder()
SPECIAL = (0.0, -0.0, 1.0, -2.5, 1e-40, 3.0e38, float("inf"), -float("inf"), float("nan"))


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def handle(tensor):
    if tensor.dtype is torch.bfloat16:
        return interpreter.TensorHandle(tensor.view(torch.uint16).numpy(), tl.bfloat16)
    kinds = {torch.float32: tl.float32, torch.float16: tl.float16, torch.int32: tl.int32}
    return interpreter.TensorHandle(tensor.numpy(), kinds[tensor.dtype])


def same(found, wanted):
    assert found.dtype == tl.bfloat16
    values = torch.from_numpy(bfloat16.widen(found.data))
    torch.testing.assert_close(values, wanted.float(), rtol=0, atol=0, equal_nan=True)


def test_rounding_is_that_of_torch():
    ties = torch.arange(0x3F800000, 0x3F880000, 0x800, dtype=torch.int32).view(torch.float32)
    given = torch.cat([torch.tensor(SPECIAL), ties, -ties, numbers(1000), numbers(100) * 1e38])
    for name in ("create_fp_trunc", "cast_impl"):
        same(getattr(BUILDER, name)(handle(given), tl.bfloat16), given.bfloat16())
    same(BUILDER.create_fp_to_fp(handle(given), tl.bfloat16, None), given.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float16, torch.int32])
def test_other_types_are_converted(dtype):
    given = (numbers(100) * 50).to(dtype)
    same(BUILDER.cast_impl(handle(given), tl.bfloat16), given.bfloat16())
    to = {torch.float16: tl.float16, torch.int32: tl.int32}[dtype]
    back = BUILDER.cast_impl(handle(given.bfloat16()), to)
    assert np.array_equal(back.data, given.bfloat16().to(dtype).numpy())


@pytest.mark.parametrize(
    ("method", "right"),
    [
        ("create_fadd", operator.add),
        ("create_fsub", operator.sub),
        ("create_fmul", operator.mul),
        ("create_fdiv", operator.truediv),
        ("create_maxnumf", torch.maximum),
    ],
)
def test_arithmetic(method, right):
    a, b = numbers(200).bfloat16(), numbers(200, seed=1).bfloat16()
    same(getattr(BUILDER, method)(handle(a), handle(b)), right(a, b))


def test_comparisons_and_choices():
    a, b = numbers(200).bfloat16(), numbers(200, seed=1).bfloat16()
    less = BUILDER.create_fcmpOLT(handle(a), handle(b))
    assert np.array_equal(less.data, (a < b).numpy())
    same(BUILDER.create_select(less, handle(a), handle(b)), torch.minimum(a, b))
    if hasattr(BUILDER, "create_fneg"):  # from Triton 3.9 on
        same(BUILDER.create_fneg(handle(a)), -a)
    same(BUILDER.create_fma(handle(a), handle(b), handle(a)), (a.float() * b.float() + a.float()).bfloat16())


def test_products_of_matrices():
    a, b = numbers(17, 33).bfloat16(), numbers(33, 5, seed=1).bfloat16()
    start = interpreter.TensorHandle(np.ones((17, 5), np.float32), tl.float32)
    found = BUILDER.create_dot(handle(a), handle(b), start, None, 0)
    torch.testing.assert_close(torch.from_numpy(found.data), a.float() @ b.float() + 1)


def test_single_precision_stays_as_it_is():
    a, b = numbers(100), numbers(100, seed=1)
    found = BUILDER.create_fadd(handle(a), handle(b))
    assert found.dtype == tl.float32
    assert np.array_equal(found.data, (a + b).numpy())


def test_what_a_tensor_holds_is_told_as_numbers():
    a = numbers(100)
    assert np.array_equal(bfloat16.numbers(handle(a.bfloat16())), a.bfloat16().float().numpy())
    assert np.array_equal(bfloat16.numbers(handle(a)), a.numpy())
