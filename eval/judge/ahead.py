"""Candidates that come next, compiled on other cores while one is judged: the judge's handle on that.

All work is done by a process of its own, at a lower priority; the judge hands over texts and takes bytes.
Nothing here can fail a candidate: what was not compiled ahead is compiled where it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from eval import protocol
from eval.runner.cache_pack import MOST_BYTES

if TYPE_CHECKING:
    from eval.dry_launch.compiling import Target
    from eval.records import Job

MOST_ANNOUNCED = 6
_MOST_WORKERS = 16
_SPARED_CORES = 2
"""For the judge and for the runner that it is timing; another may queue its turn meanwhile."""
_PATIENCE_SECONDS, _COMPILING_SECONDS = 4.0, 60.0
"""How long a job's turn waits for its own compilation: while the candidate is still being run, where it may
hang, and while the compiler is at work, which by several processes it is faster than in the runner."""
_SEND_SECONDS = 0.005
_MOST_STARTS = 3
_EXIT_SECONDS = 3.0
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_GPUS = Path("/proc/driver/nvidia/gpus")


def job_key(job: Job) -> str:
    """Name a job by all that is in it."""
    return sha256(job.model_dump_json().encode()).hexdigest()


def spare_cores() -> int:
    """Return how many processes may compile at once: this GPU's share of the cores, less two."""
    cores = float(len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, ValueError):
        quota, period = _CPU_QUOTA.read_text().split()
        cores = min(cores, int(quota) / int(period))
    gpus = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 1
    return max(0, min(_MOST_WORKERS, int(cores / max(gpus, 1)) - _SPARED_CORES))


class Ahead:
    """Starts the process that compiles ahead with the first candidate that is announced."""

    def __init__(self, target: Target, workers: int) -> None:
        """`workers` processes compile at once, or a few more where several jobs are compiled."""
        self._target, self._workers = target, workers
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: protocol.Channel
        self._starts = 0
        self._ready = False
        self._expected: dict[str, int | None] = {}
        """Descriptor of what was compiled, by job; None where that is still to come."""
        self._compiling: set[str] = set()

    def ready(self) -> bool:
        """Tell whether the process is warm, without waiting for it."""
        while not self._ready and self._process is not None and self._receive(0.0):
            pass
        return self._ready

    def announce(self, job: Job) -> None:
        """Have a job compiled that may come soon."""
        key = job_key(job)
        if key in self._expected or not self._running():
            return
        while len(self._expected) >= MOST_ANNOUNCED:
            self.forget(next(iter(self._expected)))
        with packed_file(job.model_dump_json().encode()) as fd:
            if self._send({"op": "announce", "key": key}, [fd]):
                self._expected[key] = None

    def compiles(self, job: Job) -> bool:
        """Tell whether what is compiled for a job is still to come, without waiting for it."""
        while self._process is not None and self._receive(0.0):
            pass
        return self._expected.get(job_key(job), -1) is None

    def take(self, job: Job, patience_s: float = _PATIENCE_SECONDS) -> bytes | None:
        """Return what was compiled for a job, or None; waits for a little where it is being compiled.

        What is not there by then is given up.
        """
        key = job_key(job)
        if key not in self._expected:
            return None
        now = time.monotonic()
        while self._expected.get(key) is None:
            wait_s = _COMPILING_SECONDS if patience_s and key in self._compiling else patience_s
            if not self._receive(now + wait_s):
                break
        fd = self._expected.get(key)
        data = os.pread(fd, MOST_BYTES, 0) if fd is not None else None
        self.forget(key)
        return data or None

    def _running(self) -> bool:
        if self._process is None and self._starts < _MOST_STARTS:
            self._starts += 1
            self._start()
        return self._process is not None

    def _start(self) -> None:
        self._channel, theirs = protocol.pair()
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "eval.judge.ahead_worker", str(theirs.fileno())],
            env=_environment(), pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=2, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._send({"target": self._target.model_dump(), "workers": self._workers}, [])

    def _send(self, message: dict[str, object], fds: list[int]) -> bool:
        try:
            self._channel.send(message, fds, _SEND_SECONDS)
        except (protocol.ChannelClosedError, protocol.ChannelTimeoutError):
            self._end()
            return False
        return True

    def _receive(self, deadline: float) -> bool:
        """Note one answer; tell whether another may come before `deadline`."""
        left = deadline - time.monotonic() if self._ready else 0.0
        try:
            message, fds = self._channel.receive_with_fds(max(0.0, left), max_fds=1)
        except protocol.ChannelTimeoutError:
            return False
        except (protocol.ChannelClosedError, protocol.ProtocolError):
            self._end()
            return False
        key = message.get("key")
        if key is None:
            self._ready = True
        elif self._expected.get(key, -1) is None:
            self._compiling.add(key)
            if fds:
                self._expected[key] = fds.pop()
        for fd in fds:
            os.close(fd)
        return True

    def forget(self, key: str) -> None:
        """Give up a job by its key; work on it ends."""
        if key not in self._expected:
            return
        fd = self._expected.pop(key)
        self._compiling.discard(key)
        if fd is not None:
            os.close(fd)
        elif self._process is not None:
            self._send({"op": "forget", "key": key}, [])

    def _end(self) -> None:
        """End the process, and all that it started; what it did not bring is not to come."""
        process, self._process = self._process, None
        for fd in self._expected.values():
            if fd is not None:
                os.close(fd)
        self._expected.clear()
        self._compiling.clear()
        if process is None:
            return
        self._channel.close()
        try:
            process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End everything."""
        self._starts = _MOST_STARTS
        self._end()


def _environment() -> dict[str, str]:
    """Return the judge's own environment, but without a GPU, and with this package wherever it lies."""
    path = os.pathsep.join(str(Path(one).absolute()) for one in sys.path if one)
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}


@contextlib.contextmanager
def packed_file(data: bytes) -> Iterator[int]:
    """Give a descriptor of a file in memory that holds `data`."""
    fd = os.memfd_create("ahead", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(data)
        yield fd
    finally:
        os.close(fd)
