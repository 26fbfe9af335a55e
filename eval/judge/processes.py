"""The judge's handle on the zygote and on the runners that it forks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eval import protocol
from eval.judge.faults import JudgeError

_START_SECONDS = 180.0
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "LANG", "LC_ALL")
_POISON_BYTE = 128
"""glibc fills fresh memory with the complement: 0x7F in every byte, which no honest output holds."""


def clean_environment(scratch: Path, *, cuda: bool) -> dict[str, str]:
    """Return an environment made from nothing, for the zygote and all runners."""
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env |= {
        "HOME": str(scratch), "TMPDIR": str(scratch), "USER": "runner", "LOGNAME": "runner",
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }  # fmt: skip
    if not cuda:
        env |= {"TRITON_INTERPRET": "1", "MALLOC_PERTURB_": str(_POISON_BYTE), "CUDA_VISIBLE_DEVICES": ""}
    return env


class Zygote:
    """A warm process that forks runners."""

    def __init__(self, *, cuda: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-harness-")
        self.scratch = Path(self._folder.name)
        self._channel, theirs = protocol.pair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "eval.runner.zygote", str(theirs.fileno())],
            env=clean_environment(self.scratch, cuda=cuda), pass_fds=[theirs.fileno()], cwd=self.scratch,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._exits: dict[int, int] = {}
        try:
            self.versions = self._channel.receive(_START_SECONDS)
        except (protocol.ChannelClosedError, protocol.ChannelTimeoutError) as error:
            raise JudgeError("the runners' parent process did not start; its error is above") from error

    def fork(self, message: dict[str, Any], fds: list[int]) -> int:
        """Fork a runner that inherits `fds`, and return its process id."""
        self._channel.send(message, fds)
        while True:
            reply = self._channel.receive(_START_SECONDS)
            if "pid" in reply:
                return int(reply["pid"])
            self._note(reply)

    def exit_status(self, pid: int, wait_s: float) -> int | None:
        """Return the exit code of a runner (negative or above 128 for a signal), or None if it lives on."""
        deadline = time.monotonic() + wait_s
        while pid not in self._exits:
            try:
                self._note(self._channel.receive(max(0.0, deadline - time.monotonic())))
            except protocol.ChannelTimeoutError:
                return None
        return self._exits[pid]

    def _note(self, reply: dict[str, Any]) -> None:
        self._exits[int(reply["exited"])] = int(reply["status"])

    def new_folder(self) -> Path:
        """Make a scratch folder for one runner."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def close(self) -> None:
        """End the zygote, every runner that is left, and remove the scratch folders."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()


def descendants(pid: int) -> list[int]:
    """Return all processes below `pid`, the deepest last."""
    found = []
    for task in _children_files(pid):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _children_files(pid: int) -> list[Path]:
    try:
        return [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def resident_bytes(pid: int) -> int:
    """Memory that `pid` and all below it hold themselves (resident, not shared with files), in bytes."""
    total = 0
    page = os.sysconf("SC_PAGE_SIZE")
    for each in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/statm").read_text().split()
            total += (int(fields[1]) - int(fields[2])) * page
    return total


def kill_tree(pid: int) -> None:
    """Kill `pid` and everything below it; a process namespace takes the rest with it."""
    for each in [*reversed(descendants(pid)), pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
