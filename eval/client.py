"""The judge from outside: a process that is started once, asked often, and killed as a group.

Imports no torch, so that a command line or a trainer stays light.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from eval.records import Job, Verdict

_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)
_GRACE_SECONDS = 120.0
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
    "VIRTUAL_ENV", "TMPDIR",
)  # fmt: skip


class JudgeFailedError(Exception):
    """The judge itself failed; says nothing about the candidate, which may be judged again."""


def cuda_device_name(index: int = 0) -> str | None:
    """Name of a GPU as `torch.cuda.get_device_name` gives it, or None without one; imports no torch."""
    import ctypes

    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    return None if driver.cuDeviceGetName(name, len(name), device) else name.value.decode()


def resolve_device(choice: str) -> str:
    """Return ``cuda`` or ``cpu`` for a choice of ``auto``, ``cuda`` or ``cpu``.

    Raises:
        JudgeFailedError: ``cuda`` was asked for and there is none.

    """
    if choice == "cpu":
        return "cpu"
    present = cuda_device_name() is not None
    if choice == "cuda" and not present:
        raise JudgeFailedError("no CUDA GPU is here; use --device cpu for Triton's interpreter")
    return "cuda" if present else "cpu"


class Judge:
    """A judge process for one device, ``cuda`` or ``cpu``. Use it in a ``with`` block."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            # With -P, a folder called eval in the working folder is not taken for this package.
            env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "eval.judge", self.device], env=env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        return self._process

    def evaluate(self, job: Job) -> Verdict:
        """Return the verdict on one candidate.

        Raises:
            JudgeFailedError: the judge died, hung or could not work; the candidate is not to blame.

        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()
            line = self._read_line(process, 3 * job.limits.seconds + _GRACE_SECONDS)
        except BaseException:
            self.close()
            raise
        answer = json.loads(line)
        if "error" in answer:
            raise JudgeFailedError(answer["error"])
        return _VERDICT.validate_python(answer["verdict"])

    def _read_line(self, process: subprocess.Popen[str], timeout_s: float) -> str:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], timeout_s)
        line = process.stdout.readline() if ready else ""
        if not line:
            raise JudgeFailedError("the judge gave no answer" if not ready else "the judge process ended")
        return line

    def close(self) -> None:
        """End the judge and every process below it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def evaluate(job: Job) -> Verdict:
    """Judge one candidate in a judge of its own; for many, keep a `Judge`.

    Raises:
        JudgeFailedError: the judge itself failed.

    """
    with Judge(resolve_device(job.device)) as judge:
        return judge.evaluate(job)
