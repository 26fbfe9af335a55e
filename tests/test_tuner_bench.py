"""The tuner's own benchmark: which quantiles it tells, and whose tuner gets it."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.runner.tuner_bench import at

TIMES = st.lists(st.floats(1e-4, 1e3), min_size=4, max_size=40)


@given(TIMES)
def test_quantiles_are_those_of_numpy(values):
    asked = (0.5, 0.2, 0.8)
    assert at(values, asked) == pytest.approx(np.quantile(values, asked), rel=1e-9)


TUNERS = """
import triton
from eval.runner.configs import _hasten
from eval.runner.tuner_bench import times_ms

def kernel(n):
    pass

def own(call, quantiles):
    return [1.0, 1.0, 1.0]

configs = [triton.Config({}, num_warps=4)]
plain = triton.autotune(configs, key=["n"])(triton.jit(kernel))
theirs = triton.autotune(configs, key=["n"], do_bench=own)(triton.jit(kernel))
for tuner in (plain, theirs):
    _hasten(tuner)
assert plain.do_bench is times_ms
assert theirs.do_bench is own
"""


def test_who_brings_a_benchmark_keeps_it(tmp_path):
    """In a process of its own, where kernels are compiled and not interpreted."""
    path = tmp_path / "tuners.py"  # Triton reads the kernel's source
    path.write_text(TUNERS)
    done = subprocess.run(
        [sys.executable, str(path)],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
