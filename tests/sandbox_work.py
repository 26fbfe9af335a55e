"""Honest work inside a sandbox, run as a script: `python sandbox_work.py SCENARIO SCRATCH`."""

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
import triton.backends.compiler
from sandbox_probe import policy

from eval.runner import sandbox, triton_cache

KERNEL = """
import triton
import triton.language as tl


@triton.jit
def twice(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)
"""


def kernel():
    Path("kernel.py").write_text(KERNEL)
    sys.path.insert(0, str(Path.cwd()))
    import kernel

    return kernel.twice


def launch(device):
    x = torch.arange(100.0, device=device)
    y = torch.empty_like(x)
    kernel()[(2,)](x, y, 100, BLOCK=64)
    assert torch.equal(y, 2 * x)


def torch_on_cpu():
    left = torch.ones(300, 300)
    assert float((left @ left).sum()) == 300.0**3
    assert torch.nn.functional.conv2d(torch.ones(1, 1, 9, 9), torch.ones(1, 1, 3, 3)).sum() == 441


def interpreter():
    triton.knobs.runtime.interpret = True
    launch("cpu")


def compile_for_a_gpu():
    source = triton.compiler.ASTSource(
        kernel(),
        signature={"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"},
        constexprs={"BLOCK": 64},
    )
    compiled = triton.compile(source, target=triton.backends.compiler.GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"][:4] == b"\x7fELF"


def c_compiler():
    Path("add.c").write_text("#include <stdio.h>\nint add(int a, int b) { return a + b; }\n")
    subprocess.run(["gcc", "-O3", "-shared", "-fPIC", "-o", "add.so", "add.c"], check=True)
    assert ctypes.CDLL(str(Path("add.so").resolve())).add(40, 2) == 42


def on_a_gpu():
    launch("cuda")
    pinned = torch.ones(1 << 20).pin_memory().cuda()
    assert float(pinned.sum()) == 1 << 20


def torch_compile_on_a_gpu():
    x = torch.rand(64, 1000, device="cuda")
    compiled = torch.compile(lambda a: (a.cumsum(1) * 2).relu())
    torch.testing.assert_close(compiled(x), (x.cumsum(1) * 2).relu(), rtol=1e-4, atol=1e-4)


SCENARIOS = (torch_on_cpu, interpreter, compile_for_a_gpu, c_compiler, on_a_gpu, torch_compile_on_a_gpu)


def main(name, scratch, landlock_version="99"):
    scenario = next(scenario for scenario in SCENARIOS if scenario.__name__ == name)
    fork = sandbox.fork_contained()
    if fork.pid:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1]))
    os.environ |= {"HOME": scratch, "TMPDIR": scratch, "TRITON_CACHE_DIR": f"{scratch}/triton"}
    os.environ |= {"TORCHINDUCTOR_CACHE_DIR": f"{scratch}/inductor", "USER": "runner"}
    triton_cache.install()
    tempfile.tempdir = None
    report = sandbox.enter(
        policy(
            Path(scratch), cuda=name.endswith("gpu") and name != "compile_for_a_gpu",
            landlock_version=int(landlock_version), hidden=(str(Path(__file__).parent),),
            host_memory_bytes=4 << 30, max_file_bytes=1 << 28, max_open_files=1024,
            max_processes=2048, cpu_seconds=300,
        )
    )  # fmt: skip
    sys.stderr.write(f"{report}\n")
    scenario()


if __name__ == "__main__":
    main(*sys.argv[1:])
