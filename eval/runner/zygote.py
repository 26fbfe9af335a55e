"""The warm parent of all runners: imports torch and triton once, then forks a runner for each request.

Started by exec with an environment made from nothing and one socket. It holds no secret, opens no
CUDA context, runs one thread and never loads a candidate itself. A runner that has ended stays a
zombie until the judge lets go of it, so that its process id means nobody else meanwhile.

Usage: python -m eval.runner.zygote SOCKET_FD [dry]
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import torch
import triton

from eval.cuda.pieces import MOST_PIECES
from eval.dry_launch import session as dry_launch
from eval.protocol import Channel, ChannelClosedError
from eval.runner import landlock, linux, triton_cache, warm_cuda
from eval.runner.sandbox import fork_contained
from eval.runner.serve import serve
from eval.runner.warm import UnusableInterpreterError, warm_up

_FDS = 3 + MOST_PIECES
"""Of one runner: its socket, its output, the pieces of its memory, and a page of the gate."""
_LEAST_LANDLOCK = 2
"""From this version on Triton's own cache works inside the walls."""


def main() -> None:
    """Serve fork requests until the judge goes away."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if 0 < landlock.abi() < _LEAST_LANDLOCK:
        triton_cache.install()
    if sys.argv[2:] == ["dry"]:
        dry_launch.warm_up()
    elif "TRITON_INTERPRET" not in os.environ:
        warm_cuda.warm_up()
    try:
        warm_up()
    except UnusableInterpreterError as error:
        channel.send({"unusable": str(error)})
        return
    tempfile.tempdir = None
    versions = {"torch": torch.__version__, "triton": triton.__version__, "python": sys.version.split()[0]}
    with contextlib.suppress(ChannelClosedError):
        channel.send(versions)
        _Zygote(channel).run()


class _Zygote:
    """Forks on request, reports who ended, and collects whom the judge has let go."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._running: set[int] = set()
        self._ended: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write)

    def run(self) -> None:
        watched: list[Any] = [self._channel, self._wake_read]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
                self._report_exits()
            if self._channel in ready:
                message, fds = self._channel.receive_with_fds(1.0, max_fds=_FDS)
                if message["op"] == "fork":
                    self._fork(fds)
                else:
                    self._let_go(message["pid"])

    def _report_exits(self) -> None:
        for pid in sorted(self._running):
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                self._running.remove(pid)
                self._ended.add(pid)
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                self._channel.send({"exited": pid, "status": code})
        self._collect_orphans()

    def _let_go(self, pid: int) -> None:
        if pid in self._ended:
            self._ended.remove(pid)
            os.waitpid(pid, 0)
        self._collect_orphans()

    def _collect_orphans(self) -> None:
        """Collect what runners without a PID namespace left to this process."""
        path = Path(f"/proc/self/task/{os.getpid()}/children")
        for pid in map(int, path.read_text().split()) if path.exists() else ():
            if pid not in self._running and pid not in self._ended:
                os.waitpid(pid, os.WNOHANG)

    def _fork(self, fds: list[int]) -> None:
        forked = fork_contained()
        if forked.pid == 0:
            self._become_runner(fds)
        for fd in fds:
            os.close(fd)
        self._running.add(forked.pid)
        self._channel.send({"pid": forked.pid})
        self._report_exits()

    def _become_runner(self, fds: list[int]) -> None:
        """Run in the child and never return."""
        code = 70
        try:
            self._channel.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wake_read)
            os.close(self._wake_write)
            code = serve(*fds)
        except BaseException:  # noqa: BLE001 - written to the runner's own output, where the judge looks
            traceback.print_exc()
        finally:
            os._exit(code)


if __name__ == "__main__":
    main()
