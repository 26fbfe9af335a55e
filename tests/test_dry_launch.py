"""Candidates launched on GPUs that are not there: figures, failures, and the gate of a CPU verdict."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from judge_work import HONEST, PROBLEM, candidate, ended, job

from eval.dry_launch import H100, DryRequest, GpuLimits
from eval.dry_launch.occupancy import occupancy, waves
from eval.records import Limits
from harness.problems import load_problem
from harness.prompts.gpu_limits import gpu_limits
from harness.prompts.gpus import load_gpu

A100 = gpu_limits(load_gpu("a100_80gb_sxm"))
RTX_4090 = gpu_limits(load_gpu("4090"))
T4 = gpu_limits(load_gpu("t4"))
KIB = 1024


@pytest.mark.parametrize(
    ("gpu", "warps", "registers", "shared_bytes", "blocks", "limiter"),
    [
        (H100, 4, 22, 16, 16, "warps"),
        (H100, 8, 38, 64, 6, "registers"),
        (H100, 8, 32, 0, 8, "warps"),
        (H100, 8, 33, 0, 6, "registers"),
        (H100, 1, 16, 0, 32, "blocks"),
        (H100, 4, 255, 0, 2, "registers"),
        (H100, 4, 32, 100 * KIB, 2, "shared_memory"),
        (H100, 4, 32, 227 * KIB, 1, "shared_memory"),
        (H100, 4, 32, 228 * KIB, 0, "shared_memory"),
        (H100, 33, 16, 0, 0, "threads_per_block"),
        (A100, 8, 64, 0, 4, "registers"),
        (A100, 8, 32, 48 * KIB, 3, "shared_memory"),
        (A100, 2, 32, 0, 32, "warps"),
        (RTX_4090, 8, 40, 64, 6, "warps"),
        (RTX_4090, 1, 16, 0, 24, "blocks"),
        (RTX_4090, 4, 32, 99 * KIB, 1, "shared_memory"),
        (T4, 4, 32, 16 * KIB, 4, "shared_memory"),
        (H100, 6, 40, 0, 8, "registers"),
    ],
)
def test_occupancy_is_what_the_hardware_allows(gpu, warps, registers, shared_bytes, blocks, limiter):
    found = occupancy(gpu, warps=warps, registers=registers, shared_bytes=shared_bytes)
    assert (found.blocks_per_sm, found.limiter) == (blocks, limiter)
    assert found.occupancy == blocks * warps / gpu.max_warps_per_sm


def test_waves_count_fillings_of_the_whole_gpu():
    assert waves(RTX_4090, (128 * 12,), 12) == 1.0
    assert waves(RTX_4090, (128, 3, 2), 12) == 0.5
    assert waves(RTX_4090, (128,), 0) is None


AUTOTUNED = """
def configs():
    sizes = [32, 64]
    return [triton.Config({'BLOCK': size}, num_warps=size // 32, num_stages=3) for size in sizes]

@triton.autotune(configs=configs(), key=['n'])
@triton.heuristics({'EVEN': lambda args: args['n'] % 2 == 0})
@triton.jit
def tuned(x, y, factor, n, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n) * factor + 1, mask=i < n)
"""
RUN_TUNED = """
y = torch.empty_like(x)
tuned[lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']),)](x, y, self.factor, x.numel())
return y
"""
HELPER = "def helper(value):\n    return value"
ONE_BAD_CONFIG = AUTOTUNED.replace(
    "    i = tl.program_id", "    tl.static_assert(BLOCK < 64)\n    i = tl.program_id"
)
CANDIDATES = {
    "honest": HONEST,
    "autotuned": candidate(RUN_TUNED, top=AUTOTUNED),
    "one bad config": candidate(RUN_TUNED, top=ONE_BAD_CONFIG),
    "asks for the device": candidate(
        """
        assert x.is_cuda and x.device.type == "cuda" and not x.is_cpu
        with torch.cuda.device(x.device):
            sms = torch.cuda.get_device_properties(x.device).multi_processor_count
            y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
            scratch = torch.zeros(3, device="cuda").cuda()
            assert scratch.device == y.device == torch.device("cuda", 0)
            affine[(sms,)](x, y, self.factor, x.numel(), BLOCK=64)
        return y
        """
    ),
    "two kernels": candidate("return run(run(x, self.factor), 1.0)"),
    "looks at contents": candidate("assert float(x[0, 0]) < 1e9\nreturn run(x, self.factor)"),
    "kernel calls plain Python": candidate(kernel="helper(0)", top=HELPER),
    "hides that": candidate(
        """
        try:
            return run(x, self.factor)
        except Exception:
            return x * self.factor + 1
        """,
        kernel="helper(0)", top=HELPER,
    ),
    "no kernel": candidate("return x * self.factor + 1"),
    "raises": candidate("raise ValueError('not today')"),
    "does not load": "import torch\n1 / 0",
    "dies": candidate("import ctypes\nctypes.string_at(0)"),
    "forges an answer": candidate("print('{\"report\": {}}')\nreturn run(x, self.factor)"),
    "never ends": candidate("while True: pass"),
}  # fmt: skip


@pytest.fixture(scope="module")
def reports():
    pytest.importorskip("triton", reason="needs the extra `eval`")
    from eval.dry_launch.client import dry_launch

    requests = [
        DryRequest(
            problem=PROBLEM, code=code, gpu=H100,
            limits=Limits(seconds=120, call_seconds=6 if name == "never ends" else 60),
        )
        for name, code in CANDIDATES.items()
    ]  # fmt: skip
    return dict(zip(CANDIDATES, dry_launch(requests), strict=True))


def test_a_launch_is_told_with_its_figures(reports):
    (build,) = reports["honest"].builds
    assert (build.kernel, build.config, build.grid, build.launches) == ("affine", {"BLOCK": 64}, (3,), 1)
    assert (build.num_warps, build.spill_bytes, build.shared_bytes) == (4, 0, 0)
    assert build.registers > 4
    assert (build.occupancy, build.limiter) == (1.0, "warps")
    assert build.waves == pytest.approx(3 / (132 * 16), abs=1e-4)
    assert reports["forges an answer"] == reports["honest"]


def test_computed_configs_and_grids_are_told(reports):
    builds = reports["autotuned"].builds
    assert [(build.config, build.num_warps, build.num_stages, build.grid) for build in builds] == [
        ({"BLOCK": 32}, 1, 3, (5,)),
        ({"BLOCK": 64}, 2, 3, (3,)),
    ]
    assert not reports["autotuned"].failures


def test_other_configs_are_told_where_one_does_not_compile(reports):
    report = reports["one bad config"]
    assert [build.config for build in report.builds] == [{"BLOCK": 32}]
    assert [(failure.kind, failure.config) for failure in report.failures] == [("compile", {"BLOCK": 64})]


def test_the_device_that_is_not_there_answers(reports):
    assert not reports["asks for the device"].failures
    assert [build.grid for build in reports["asks for the device"].builds] == [(132,)]


def test_launches_are_counted(reports):
    assert [build.launches for build in reports["two kernels"].builds] == [2]


def test_contents_are_there_for_who_looks(reports):
    assert not reports["looks at contents"].failures
    assert [build.kernel for build in reports["looks at contents"].builds] == ["affine"]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("kernel calls plain Python", "compile", "Unsupported function referenced"),
        ("hides that", "compile", "Unsupported function referenced"),
        ("no kernel", "no_kernel", "launches no Triton kernel"),
        ("raises", "candidate", "not today"),
        ("does not load", "candidate", "division by zero"),
        ("dies", "crash", "signal 11"),
        ("never ends", "timeout", "no answer within 6 s"),
    ],
)
def test_what_fails_is_told(reports, name, kind, words):
    (failure,) = reports[name].failures
    assert failure.kind == kind
    assert words in failure.message


def test_the_line_of_a_failure_is_told(reports):
    code = CANDIDATES["raises"].splitlines()
    assert "not today" in code[reports["raises"].failures[0].line - 1]


@pytest.mark.parametrize("capability", ["8.0", "8.6", "8.9", "9.0", "10.0", "12.0"])
def test_the_seed_compiles_for_every_generation(capability, seed_reports):
    report = seed_reports[capability]
    assert not report.failures
    assert [build.config for build in report.builds] == [{"BLOCK_SIZE": size} for size in (128, 256, 512)]
    assert [build.grid for build in report.builds] == [(32767,)] * 3
    assert [build.shared_bytes for build in report.builds] == [16, 32, 64]


def test_the_seed_on_a_4090(seed_reports):
    builds = seed_reports["8.9"].builds
    assert [build.occupancy for build in builds] == [1.0, 1.0, 1.0]
    assert [build.waves for build in builds] == [21.3327, 21.3327, 42.6654]
    if version("triton").startswith("3.9."):
        assert [build.registers for build in builds] == [20, 26, 32]


@pytest.fixture(scope="module")
def seed_reports():
    pytest.importorskip("triton", reason="needs the extra `eval`")
    from eval.dry_launch.client import dry_launch

    seed = load_problem("cumsum_exclusive")
    names = ("a100_80gb_sxm", "3090", "4090", "h100", "b200", "5090")
    gpus = [load_gpu(name) for name in names]
    requests = [DryRequest(problem=seed.problem, code=seed.current_code, gpu=gpu_limits(gpu)) for gpu in gpus]
    reports = dry_launch(requests)
    return {gpu.compute_capability: report for gpu, report in zip(gpus, reports, strict=True)}


GATED = {
    "honest": (HONEST, "passed", "sm_90"),
    "looks at contents": (CANDIDATES["looks at contents"], "passed", "sm_90"),
    "cannot be launched as on a GPU": (
        candidate("if x.is_cuda: torch.cuda.CUDAGraph()\nreturn run(x, self.factor)"), "passed", "sm_90",
    ),
    "cannot be launched dry": (
        candidate(
            "y = run(x, self.factor)\nseen = 0.0 if x.is_cuda else float(y[0, 0])\n"
            "if x.is_cuda or seen != seen: raise ValueError\nreturn y"
        ),
        "failed: unsupported", None,
    ),
    "branch of the interpreter": (
        candidate(
            "x, y = x.contiguous(), torch.empty_like(x)\n"
            "branch[(x.numel(),)](x, y, self.factor, x.numel(), PLAIN=not x.is_cuda)\nreturn y",
            top="@triton.jit\ndef branch(x, y, factor, n, PLAIN: tl.constexpr):\n"
            "    at = tl.program_id(0)\n    v = tl.load(x + at)\n"
            "    if PLAIN:\n        v = sum([v * factor, 1.0])\n    tl.store(y + at, v)",
        ),
        "failed: compile", None,
    ),
    "kernel of the interpreter": (CANDIDATES["kernel calls plain Python"], "failed: compile", None),
    "another kernel on a GPU": (
        candidate(
            "pick = other if x.is_cuda else affine\nx, y = x.contiguous(), torch.empty_like(x)\n"
            "pick[(x.numel(),)](x, y, self.factor, x.numel(), BLOCK=64)\nreturn y",
            top="@triton.jit\ndef other(x, y, factor, n, BLOCK: tl.constexpr):\n    tl.store(y, factor)",
        ),
        "failed: compile", None,
    ),
    "no kernel on a GPU": (
        candidate("if x.is_cuda: return x * 2\nreturn run(x, self.factor)"),
        "rejected: library_compute", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GATED)
def test_a_cpu_verdict_demands_that_kernels_compile(judge, name):
    code, wanted, target = GATED[name]
    verdict = judge.evaluate(job(code, limits=Limits(seconds=60, call_seconds=20)))
    assert ended(verdict) == wanted, verdict.detail
    assert verdict.guarantees.compiled_for == target


def test_without_audits_nothing_is_compiled(judge):
    verdict = judge.evaluate(job(CANDIDATES["kernel calls plain Python"], audits=False))
    assert ended(verdict) == "passed", verdict.detail
    assert verdict.guarantees.compiled_for is None


def test_limits_come_from_the_gpu_file():
    assert GpuLimits(
        name="NVIDIA GeForce RTX 4090", capability=89, num_sms=128, max_warps_per_sm=48,
        max_threads_per_sm=1536, max_blocks_per_sm=24, shared_bytes_per_sm=100 * KIB,
        max_shared_bytes_per_block=99 * KIB, l2_bytes=72 << 20, memory_bytes=24 * 10**9,
    ) == RTX_4090  # fmt: skip
    assert gpu_limits(load_gpu("h100")).capability == H100.capability


def test_the_client_loads_no_torch():
    code = "import sys, eval.dry_launch.client; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False
