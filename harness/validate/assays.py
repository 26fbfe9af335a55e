"""Attack many problems in a process of their own, which is replaced when one of them ends it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from eval.assay import Assay
from eval.records import Problem

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")


class Assayer:
    """Use it in a ``with`` block."""

    def __init__(self, seconds: float, memory_gb: float) -> None:
        """`seconds` is what one problem may take, `memory_gb` the address space, in 1e9 bytes."""
        self._seconds, self._memory_gb = seconds, memory_gb
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, problems: Sequence[Problem]) -> Iterator[Assay]:
        """Yield what came of each problem, in order; one that ends the process is skipped with the reason."""
        for problem in problems:
            yield self._ask(problem)

    def _ask(self, problem: Problem) -> Assay:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(problem.model_dump_json() + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._gave_up(problem, "the process that attacks problems could not start; see above")
        ready = select.select([process.stdout], [], [], self._seconds)[0]
        if not ready:
            return self._gave_up(problem, f"took more than {self._seconds:g} s")
        line = process.stdout.readline()
        if not line:
            return self._gave_up(problem, f"ended the process, perhaps for want of {self._memory_gb:g} GB")
        return Assay.model_validate(json.loads(line))

    def _gave_up(self, problem: Problem, reason: str) -> Assay:
        self._end()
        return Assay(problem=problem.name, hash=problem.hash, status="skipped", reason=reason)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
            env["CUDA_VISIBLE_DEVICES"] = ""
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", "eval.judge.assay", str(self._memory_gb)],
                env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
