"""The judge from outside: a process that is started once, asked often, and killed as a group.

Imports no torch, so that a command line or a trainer stays light.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter

from eval.devices import cuda_device_name as cuda_device_name  # noqa: PLC0414 - others look for it here
from eval.records import Job, Verdict

PROBLEM_REFUSED = "the problem cannot be judged"
"""What the message of a `JudgeFailedError` begins with where no candidate could ever be judged."""
ANNOUNCES = '{"ahead":'
"""What a line to the judge begins with that announces a job instead of asking for its verdict."""
_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)
_GRACE_SECONDS = 120.0
_PATIENCE_SECONDS, _HASTE_SECONDS = 5.0, 1.5
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
    "VIRTUAL_ENV", "TMPDIR", "XDG_CACHE_HOME",
)  # fmt: skip


class JudgeFailedError(Exception):
    """The judge itself failed; says nothing about the candidate, which may be judged again."""

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost
        """True where the judge died, hung or is unfit to go on, so that another try may end otherwise."""


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
    """A judge process for one device, ``cuda`` or ``cpu``. Use it in a ``with`` block.

    Another thread may `close` it at any time; what is being judged then fails.
    """

    def __init__(self, device: str, gpu: str | None = None) -> None:
        """`gpu` is the only GPU that the judge will see, as `CUDA_VISIBLE_DEVICES` names it."""
        self.device = device
        self._gpu = gpu
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close(_PATIENCE_SECONDS if kind is None else _HASTE_SECONDS)

    def start(self) -> bool:
        """Start the process without waiting until it is up, as `evaluate` does; False where there is one.

        Raises:
            JudgeFailedError: the judge was closed.

        """
        before = self._process
        return self._running() is not before

    def _running(self) -> subprocess.Popen[str]:
        if self._closed:
            raise JudgeFailedError("the judge was closed")
        if self._process is not None and self._process.poll() is not None:
            self._end(_HASTE_SECONDS)
        if self._process is None:
            env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            if self._gpu is not None:
                env["CUDA_VISIBLE_DEVICES"] = self._gpu
            # With -P, a folder called eval in the working folder is not taken for this package.
            env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "eval.judge", self.device], env=env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            if self._closed:  # meanwhile, by another thread, which did not see it yet
                self._end(0.0)
                raise JudgeFailedError("the judge was closed")
        return self._process

    def evaluate(self, job: Job, ahead: Sequence[Job] = ()) -> Verdict:
        """Return the verdict on one candidate.

        `ahead` are jobs that may come next, the soonest first: a judge on a GPU prepares for them while this
        one is timed. They are no promise, and change no verdict.

        Raises:
            JudgeFailedError: the judge died, hung or could not work; the candidate is not to blame.
                The next candidate gets a new judge where that helps.

        """
        process = self._running()
        try:
            answer = self._exchange(process, job, ahead)
        except BaseException:
            self._end(_HASTE_SECONDS)
            raise
        if answer["last"]:
            self._end(_PATIENCE_SECONDS)
        if "error" in answer:
            raise JudgeFailedError(answer["error"], lost=answer["last"])
        return _VERDICT.validate_python(answer["verdict"])

    @staticmethod
    def _exchange(process: subprocess.Popen[str], job: Job, ahead: Sequence[Job]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        question = "".join(_announced(ahead)) + job.model_dump_json() + "\n"
        ready = select.poll()
        try:
            process.stdin.write(question)
            process.stdin.flush()
            ready.register(process.stdout, select.POLLIN)
            if not ready.poll(1000 * (3 * job.limits.seconds + _GRACE_SECONDS)):
                raise JudgeFailedError("the judge gave no answer", lost=True)
            line = process.stdout.readline()
        except (OSError, ValueError) as error:  # a pipe that is broken, or closed by another thread
            raise JudgeFailedError(f"the judge process is gone: {error}", lost=True) from error
        if not line.endswith("\n"):  # ended before its answer, or in the middle of it
            raise JudgeFailedError("the judge process ended; its error is above", lost=True)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Tell the judge to end, without waiting until it has."""
        self._closed = True
        _close_input(self._process)

    def close(self, patience_s: float = _PATIENCE_SECONDS) -> None:
        """End the judge and every process below it, after `patience_s` seconds by force."""
        self.stop()
        self._end(patience_s)

    def _end(self, patience_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _close_input(process)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(ahead: Sequence[Job]) -> Iterator[str]:
    for one in ahead:
        with contextlib.suppress(ValueError):  # it will fail in its own turn
            yield f"{ANNOUNCES}{one.model_dump_json()}}}\n"


def _close_input(process: subprocess.Popen[str] | None) -> None:
    if process is not None and process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def evaluate(job: Job) -> Verdict:
    """Judge one candidate in a judge of its own; for many, keep a `Judge`.

    Raises:
        JudgeFailedError: the judge itself failed.

    """
    with Judge(resolve_device(job.device)) as judge:
        return judge.evaluate(job)
