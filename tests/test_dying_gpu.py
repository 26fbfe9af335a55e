"""On a GPU: what a runner left running there is seen, and is over long before its process is gone."""

import time
from contextlib import closing

import pytest
from judge_work import until

pytestmark = pytest.mark.gpu
ENDLESS = """
import torch
import triton
import triton.language as tl


@triton.jit
def _endless(out, count):
    for _ in range(count):
        tl.atomic_add(out, 1)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.zeros(1, dtype=torch.int32, device=x.device)
        _endless[(1,)](out, 2_000_000_000)
        return out
"""
BYTES = 1 << 29
INPUT = {"tensor": {"offset": 0, "shape": [64], "stride": [1], "dtype": "float32"}}
CALL = {"op": "call", "key": "", "inputs": [INPUT], "forced": None, "hold": False, "suppress": False}


@pytest.fixture
def place():
    """A runner that has loaded a candidate which never comes to an end, and its memory."""
    from eval.judge.processes import Zygote
    from eval.judge.regions import DeviceRegion
    from eval.judge.runner import Runner
    from eval.records import Limits

    with closing(Zygote(cuda=True)) as zygote, closing(DeviceRegion(BYTES, BYTES)) as region:
        region.clear()
        runner = Runner(zygote, region, Limits(), cuda=True)
        runner.load(ENDLESS, "ModelNew")
        runner.instance("", [])
        yield zygote, runner, region
        runner.kill()


def test_work_that_is_left_is_seen_and_its_end_is_waited_for(place):
    from eval.judge.dying import Dying
    from eval.judge.quiet import is_quiet

    zygote, runner, region = place
    dying = Dying(zygote)
    assert any(is_quiet() for _ in range(20))
    runner.question({**CALL, "guard": False})
    assert until(lambda: count(region) > 0, seconds=60)  # the first launch compiles
    assert not any(is_quiet() for _ in range(20))
    dying.end(runner, region)
    dying.wait_for_the_gpu()
    assert any(is_quiet() for _ in range(20))
    there = count(region)
    time.sleep(0.02)
    assert count(region) == there
    dying.wait()
    assert dying.regions == []
    assert runner.gone()


def count(region):
    """Return how far the candidate has counted; -1 before it began."""
    import torch

    return int(region.base[region.split : region.split + 4096].view(torch.int32).max())
