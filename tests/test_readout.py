"""Elements that the judge reads while its clock runs, and again when all calls are over."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

import torch

from eval.judge.faults import FaultRaised
from eval.judge.readout import Readout
from eval.tensors import TensorDesc, view

SIZE_BYTES = 1 << 16


def region():
    return torch.full((SIZE_BYTES,), 0xFF, dtype=torch.uint8)


def two_calls(dtype="float32", *, shape=(8, 16), stride=(16, 1)):
    return [
        [TensorDesc(offset=at, shape=shape, stride=stride, dtype=dtype)] for at in (4096, 3 * SIZE_BYTES // 4)
    ]


def written(base, calls):
    for outputs in calls:
        for desc in outputs:
            view(base, desc).fill_(1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "int8", "bool", "complex64"])
@pytest.mark.parametrize("stride", [(16, 1), (1, 8), (40, 2)])
def test_what_is_written_and_stays_is_fine(dtype, stride):
    base, calls = region(), two_calls(dtype, stride=stride)
    written(base, calls)
    readout = Readout(base, calls, early=[1])
    readout.read()
    readout.check()


@pytest.mark.parametrize("late", [0, 1])
def test_what_is_never_written_is_seen(late):
    base, calls = region(), two_calls()
    written(base, [calls[1 - late]])
    readout = Readout(base, calls, early=[1])
    readout.read()
    with pytest.raises(FaultRaised, match="never written"):
        readout.check()


def test_what_is_written_after_the_clock_has_stopped_is_seen():
    base, calls = region(), two_calls()
    readout = Readout(base, calls, early=[0])
    written(base, [calls[1]])
    readout.read()
    written(base, calls)
    with pytest.raises(FaultRaised, match="never written"):
        readout.check()


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_what_changes_after_the_clock_has_stopped_is_seen(dtype):
    base, calls = region(), two_calls(dtype)
    written(base, calls)
    readout = Readout(base, calls, early=[0])
    readout.read()
    view(base, calls[0][0]).fill_(0)
    with pytest.raises(FaultRaised, match="changed after the clock had stopped"):
        readout.check()


def test_a_call_that_was_not_read_early_may_be_the_last_to_be_written():
    base, calls = region(), two_calls()
    written(base, [calls[0]])
    readout = Readout(base, calls, early=[0])
    readout.read()
    written(base, [calls[1]])
    readout.check()


def test_calls_whose_outputs_lie_otherwise_are_read_too():
    one, other = (
        TensorDesc(offset=0, shape=(8, 16), stride=(16, 1), dtype="float32"),
        TensorDesc(offset=4096, shape=(8, 16), stride=(1, 8), dtype="float32"),
    )
    base, calls = region(), [[one], [other]]
    written(base, calls)
    readout = Readout(base, calls, early=[1])
    readout.read()
    readout.check()
    view(base, one).fill_(float("nan"))
    with pytest.raises(FaultRaised, match="never written"):
        readout.check()


def test_elements_are_those_of_the_output_and_no_others():
    base, calls = region(), two_calls(shape=(4, 4), stride=(64, 3))
    written(base, calls)
    assert bool(view(base, TensorDesc(offset=4096, shape=(64,), stride=(1,), dtype="float32")).isnan().any())
    readout = Readout(base, calls, early=[0, 1])
    readout.read()
    readout.check()


def test_outputs_without_elements_and_scalars():
    empty = TensorDesc(offset=0, shape=(0, 4), stride=(4, 1), dtype="float32")
    scalar = TensorDesc(offset=64, shape=(), stride=(), dtype="float32")
    base = region()
    view(base, scalar).fill_(1)
    readout = Readout(base, [[empty, scalar]], early=[0])
    readout.read()
    readout.check()


@pytest.mark.parametrize("stale", [[], two_calls(shape=(2, 3), stride=(3, 1))[:1]])
def test_one_that_was_made_for_other_outputs_is_made_again_for_those_that_are(stale):
    base, calls = region(), two_calls()
    made = Readout(base, stale, early=[0, 1])
    readout = made.of(calls)
    assert readout is not made
    assert readout.of(calls) is readout
    readout.read()
    with pytest.raises(FaultRaised, match="never written"):
        readout.check()
    written(base, calls)
    readout.read()
    readout.check()
