"""Which levels of isolation a runner gets on this machine: a process enters the sandbox and says.

Usage: python -m harness.machine.walls SCRATCH_FOLDER cpu|cuda
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from eval.runner import sandbox
from eval.runner.sandbox import SandboxPolicy, SandboxReport
from harness.errors import EnvironmentFailure

_SECONDS = 60
_GIB = 1 << 30


def walls(*, cuda: bool) -> SandboxReport:
    """Let a process enter the sandbox as a runner does, and return what held there.

    `cuda` is the sandbox of a runner with a GPU. Raises `EnvironmentFailure` where nothing can be entered.
    """
    if sys.platform != "linux":
        return SandboxReport(
            active=(), missing=("linux",), notes=("linux: the sandbox is made of its calls",)
        )
    with tempfile.TemporaryDirectory(prefix="kernel-harness-") as scratch:
        words = [sys.executable, "-P", "-m", __name__, scratch, "cuda" if cuda else "cpu"]
        paths = os.pathsep.join(path for path in sys.path if path)
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_SECONDS,
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
    if done.returncode:
        raise EnvironmentFailure(f"no runner can start here: {done.stderr.strip().splitlines()[-1:]}")
    return SandboxReport.model_validate_json(done.stdout)


def _main(scratch: str, device: str) -> None:
    policy = SandboxPolicy(
        scratch=scratch, hidden=(), cuda=device == "cuda", host_memory_bytes=_GIB, cpu_seconds=_SECONDS,
        max_file_bytes=_GIB, max_open_files=1024,
    )  # fmt: skip
    fork = sandbox.fork_contained()
    if fork.pid:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1]))
    sys.stdout.write(sandbox.enter(policy).model_dump_json())


if __name__ == "__main__":
    _main(*sys.argv[1:])
