"""Which levels of isolation a runner gets on this machine: a process enters the sandbox and says.

Usage: python -m harness.machine.walls SCRATCH_FOLDER cpu|cuda, which goes on when its stdin ends
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from eval.runner import sandbox
from eval.runner.sandbox import Cgroup, SandboxPolicy, SandboxReport
from harness.errors import EnvironmentFailure

_SECONDS = 60
_GIB = 1 << 30
_TASKS = 512


def walls(*, cuda: bool) -> SandboxReport:
    """Let a process enter the sandbox as a runner does, and return what held there.

    `cuda` is the sandbox of a runner with a GPU. Raises `EnvironmentFailure` where nothing can be entered.
    """
    if sys.platform != "linux":
        note = "linux: the sandbox is made of its calls"
        return SandboxReport(active=(), missing=("linux",), notes=(note,))
    with tempfile.TemporaryDirectory(prefix="kernel-harness-") as scratch:
        words = [sys.executable, "-P", "-m", __name__, scratch, "cuda" if cuda else "cpu"]
        return _ask(words)


def _ask(words: list[str]) -> SandboxReport:
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    group = Cgroup.create(_GIB, _TASKS)
    try:
        with subprocess.Popen(
            words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        ) as process:  # fmt: skip
            grouped = _takes(group, process.pid)
            answer, errors = process.communicate(timeout=_SECONDS)
    finally:
        if group is not None:
            group.close()
    if process.returncode:
        raise EnvironmentFailure(f"no runner can start here: {''.join(errors.splitlines()[-1:])}")
    return _with_group(SandboxReport.model_validate_json(answer), grouped=grouped)


def _takes(group: Cgroup | None, pid: int) -> bool:
    if group is None:
        return False
    try:
        group.add(pid)
    except OSError:
        return False
    return True


def _with_group(report: SandboxReport, *, grouped: bool) -> SandboxReport:
    """Add the control group, which bounds the tasks of root too, whom the limit does not hold."""
    if not grouped:
        return report.plus("cgroup", held=False, note="this user may not make one here")
    missing = tuple(level for level in report.missing if level != "process_limit")
    return report.model_copy(update={"missing": missing}).plus("cgroup", held=True)


def _main(scratch: str, device: str) -> None:
    sys.stdin.read()
    policy = SandboxPolicy(
        scratch=scratch, hidden=(), cuda=device == "cuda", host_memory_bytes=_GIB, cpu_seconds=_SECONDS,
        max_file_bytes=_GIB, max_open_files=1024, max_processes=_TASKS, scratch_bytes=_GIB,
    )  # fmt: skip
    fork = sandbox.fork_contained()
    if fork.pid:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1]))
    sys.stdout.write(sandbox.enter(policy).model_dump_json())


if __name__ == "__main__":
    _main(*sys.argv[1:])
