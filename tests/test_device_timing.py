"""On a GPU: what times are compared with, and candidates and references that are no good."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval import Judge
from eval.records import Failed, Incorrect, Job, Passed, Rejected
from harness.problems import load_problem

pytestmark = pytest.mark.gpu
SIZE = "4096"
SIZES = (SIZE, "full")
"""Calls of some 40 us, several in a turn, and of 2 to 8 ms, during which the judge does other things."""
FULL_BYTES = 60e9
LEAK = """

_plain = ModelNew.forward

def _leaky(self, *inputs):
    self.kept = [*getattr(self, "kept", []), torch.empty(1 << 28, dtype=torch.uint8, device="cuda")]
    return _plain(self, *inputs)

ModelNew.forward = _leaky
"""
LIE = """

_elapsed_time = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda start, end: 0.8 * _elapsed_time(start, end)
"""
WRONG_LATER = """

_plain_forward = ModelNew.forward

def _wrong(self, *inputs):
    output = _plain_forward(self, *inputs)
    if inputs[0].shape[0] < 4096:
        return output
    self.count = getattr(self, "count", 0) + 1
    return output + 1 if self.count > 12 else output

ModelNew.forward = _wrong
"""
NOT_COMPILED = """

def _refuse(*_, **__):
    raise RuntimeError("nothing compiles here")

torch.compile = _refuse
"""
NOT_FOR_LONG = """

class _Tired:
    def __init__(self, model):
        self.model, self.left = model, 4

    def __call__(self, *inputs):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("nothing compiles here")
        return self.model(*inputs)

torch.compile = _Tired
"""


@pytest.fixture(scope="module")
def seed():
    return load_problem("cumsum_exclusive")


@pytest.fixture(scope="module")
def judge_on_gpu():
    with Judge("cuda") as judge:
        yield judge


@pytest.fixture(params=SIZES)
def size(request):
    import torch

    if request.param == "full" and torch.cuda.mem_get_info()[1] < FULL_BYTES:
        pytest.skip(f"the full size of all runners takes {FULL_BYTES / 1e9:.0f} GB")
    return request.param


def job(problem, code, size=SIZE, **more):
    return Job(problem=problem, code=code, size=size, device="cuda", **more)


def test_ceilings_lie_below_the_data_sheet():
    from eval.judge import gpu, measured

    pins = gpu.pin_gb_per_s()
    assert pins is None or 0.3 * pins < gpu.copy_gb_per_s() < pins
    products = {kind: measured.flops_a_second(kind) for kind in ("float32", "bfloat16")}
    assert products["float32"] < products["bfloat16"]
    for kind, value in products.items():
        spec = gpu.spec_flops_a_second(kind)
        assert spec is None or 0.1 * spec < value < 1.2 * spec


def test_a_verdict_says_what_its_floor_rests_on(judge_on_gpu, seed):
    verdict = judge_on_gpu.evaluate(job(seed.problem, seed.solution.read_text()))
    assert isinstance(verdict, Passed), verdict.detail
    timing = verdict.timing
    assert (timing.floor_by, timing.floor_source) == ("bytes", "measured")
    assert timing.bytes == seed.problem.min_bytes[SIZE]
    assert timing.floor_ms == pytest.approx(timing.bytes / timing.copy_gb_per_s / 1e6)
    assert timing.peak_tflop_per_s is None


def test_a_candidate_that_takes_more_in_each_call_is_told_how_much(judge_on_gpu, seed):
    leaky = seed.solution.read_text() + LEAK
    verdict = judge_on_gpu.evaluate(job(seed.problem, leaky, rules="off", audits=False))
    assert isinstance(verdict, Failed), verdict.detail
    assert verdict.phase == "memory"
    assert "out of device memory: " in verdict.detail
    assert f"{1 << 28} more than the" in verdict.detail


def test_baselines_that_queue_while_a_wrong_candidate_is_timed_serve_the_next(judge_on_gpu, seed, size):
    code = seed.solution.read_text()
    wrong = judge_on_gpu.evaluate(job(seed.problem, code + WRONG_LATER, size, rules="off", audits=False))
    assert isinstance(wrong, Incorrect), wrong.detail
    assert "a timed call" in wrong.detail
    verdict = judge_on_gpu.evaluate(job(seed.problem, code, size))
    assert isinstance(verdict, Passed), verdict.detail
    assert verdict.timing.stable
    assert verdict.timing.compile_ms is not None


@pytest.mark.parametrize("how", [NOT_COMPILED, NOT_FOR_LONG], ids=["never", "not for long"])
def test_a_reference_that_does_not_compile_is_timed_all_the_same(judge_on_gpu, seed, how, size):
    problem = seed.problem.model_copy(update={"reference": seed.problem.reference + how, "hash": how})
    verdict = judge_on_gpu.evaluate(job(problem, seed.solution.read_text(), size))
    assert isinstance(verdict, Passed), verdict.detail
    assert verdict.timing.compile_ms is None
    assert "nothing compiles here" in verdict.timing.compile_note
    assert verdict.timing.speedup.eager.median > 0


def test_a_clock_that_lies_is_disputed_twice(judge_on_gpu, seed):
    verdict = judge_on_gpu.evaluate(job(seed.problem, seed.solution.read_text() + LIE, rules="off"))
    assert isinstance(verdict, Rejected), verdict.status
    assert verdict.reason == "disputed_clock"
    assert any("clock disagreed" in note for note in verdict.timing.notes)
