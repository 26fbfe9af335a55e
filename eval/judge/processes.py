"""The judge's handle on the zygote that forks all runners."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import Any

from eval import protocol
from eval.judge.faults import BrokenJudgeError
from eval.judge.folders import WorkingFolder

_START_SECONDS = 180.0
_FORK_SECONDS = 15.0
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "LANG", "LC_ALL")
_POISON_BYTE = 128
"""glibc fills fresh memory with the complement: 0x7F in every byte, which no honest output holds."""


def clean_environment(scratch: Path, *, cuda: bool, dry: bool = False) -> dict[str, str]:
    """Return an environment made from nothing, for the zygote and all runners."""
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env |= {
        "HOME": str(scratch), "TMPDIR": str(scratch), "USER": "runner", "LOGNAME": "runner",
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }  # fmt: skip
    if not cuda:
        env |= {"MALLOC_PERTURB_": str(_POISON_BYTE), "CUDA_VISIBLE_DEVICES": ""}
    if not cuda and not dry:
        env["TRITON_INTERPRET"] = "1"
    return env


class Forked:
    """A runner that its parent was asked for."""

    def __init__(self, parent: Zygote) -> None:
        self._parent = parent
        self.told: int | None = None
        """Its process id, where the parent has said that."""

    @property
    def pid(self) -> int:
        """Its process id; waits until the parent has forked it."""
        while self.told is None:
            self._parent.hear()
        return self.told


class Zygote:
    """A warm process that forks runners; those of a `dry` one compile for a GPU that is not there.

    Every method raises `BrokenJudgeError` where that process is gone or does not answer.
    """

    def __init__(self, *, cuda: bool, dry: bool = False) -> None:
        self.dry = dry
        self._folder = WorkingFolder()
        self.scratch = self._folder.path
        self._forks: deque[Forked] = deque()
        """Those that were asked for and not yet made, in that order."""
        self._exits: dict[int, int] = {}
        self.healthy = True
        """False once a runner could not be ended: it may disturb those that follow."""
        self._channel, theirs = protocol.pair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "eval.runner.zygote", str(theirs.fileno()), *["dry"] * dry],
            env=clean_environment(self.scratch, cuda=cuda, dry=dry), cwd=self.scratch,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        theirs.close()

    @cached_property
    def versions(self) -> dict[str, Any]:
        """What it greets with once it is warm: versions of torch, triton and python."""
        try:
            greeting = self._receive(_START_SECONDS)
        except BaseException:
            self.close()
            raise
        if "unusable" in greeting:
            self.close()
            raise BrokenJudgeError(str(greeting["unusable"]))
        return greeting

    def fork(self, fds: list[int]) -> Forked:
        """Ask for a runner that inherits `fds`, and do not wait: a fork takes some hundredths of a second."""
        assert self.versions
        self._send({"op": "fork"}, fds)
        self._forks.append(Forked(self))
        return self._forks[-1]

    def hear(self) -> None:
        """Wait until the parent says something: whom it has forked, or who has ended."""
        reply = self._receive(_FORK_SECONDS)
        if "pid" in reply:
            self._forks.popleft().told = int(reply["pid"])
        else:
            self._exits[int(reply["exited"])] = int(reply["status"])

    def exit_status(self, pid: int, wait_s: float) -> int | None:
        """Return the exit code of a runner, negative for a signal, or None if it lives on."""
        deadline = time.monotonic() + wait_s
        while pid not in self._exits:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._channel], [], [], left)[0]:
                return None
            self.hear()
        return self._exits[pid]

    def let_go(self, pid: int) -> None:
        """Let a runner that has ended go, so that its process id may be used again."""
        del self._exits[pid]
        self._send({"op": "let_go", "pid": pid}, [])

    def _send(self, message: dict[str, Any], fds: list[int]) -> None:
        try:
            self._channel.send(message, fds, _FORK_SECONDS)
        except (protocol.ChannelClosedError, protocol.ChannelTimeoutError) as error:
            raise BrokenJudgeError("the runners' parent process is gone") from error

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        try:
            return self._channel.receive(timeout_s)
        except protocol.ChannelClosedError as error:
            raise BrokenJudgeError("the runners' parent process ended; its error is above") from error
        except protocol.ChannelTimeoutError as error:
            raise BrokenJudgeError("the runners' parent process does not answer") from error

    def new_folder(self) -> Path:
        """Make a scratch folder for one runner."""
        return self._folder.subfolder()

    def close(self) -> None:
        """End the zygote, every runner that is left, and remove the scratch folders."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.close()
