"""The warm parent of all runners: imports torch and triton once, then forks a runner for each request.

Started by exec with an environment made from nothing and one socket. It holds no secret, opens no
CUDA context, runs one thread and never loads a candidate itself.

Usage: python -m eval.runner.zygote SOCKET_FD
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
import triton

from eval.protocol import Channel, ChannelClosedError, ChannelTimeoutError
from eval.runner.arena import ArenaMemory
from eval.runner.memory import HostMemory
from eval.runner.sandbox import SandboxPolicy, enter, fork_contained
from eval.runner.session import Session

_PR_SET_PDEATHSIG = 1
_ARMED_SECONDS, _IDLE_SECONDS = 0.5, 3600.0


def main() -> None:
    """Serve fork requests until the judge goes away."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    _die_with_parent()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    channel.send({"torch": torch.__version__, "triton": triton.__version__, "python": sys.version.split()[0]})
    watched: list[Any] = [channel, wake_read]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            _report_exits(channel)
        if channel in ready:
            try:
                message, fds = channel.receive_with_fds(1.0)
            except ChannelClosedError:
                return
            channel.send({"pid": _fork(message, fds, channel, (wake_read, wake_write))})


def _report_exits(channel: Channel) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel.send({"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(message: dict[str, Any], fds: list[int], channel: Channel, wake: tuple[int, int]) -> int:
    forked = fork_contained()
    if forked.pid:
        for fd in fds:
            os.close(fd)
        return forked.pid
    code = 70
    try:
        channel.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in wake:
            os.close(fd)
        code = _run(message, fds)
    except BaseException:  # noqa: BLE001 - written to the runner's own output, where the judge looks
        traceback.print_exc()
    finally:
        os._exit(code)


def _run(message: dict[str, Any], fds: list[int]) -> int:
    sock_fd, memory_fd, output_fd = fds
    policy = SandboxPolicy.model_validate(message["policy"])
    os.chdir(policy.scratch)
    os.environ.update(message["env"])
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output_fd)
    report = enter(policy)
    channel = Channel(socket.socket(fileno=sock_fd))
    torch.set_num_threads(1)
    place = message["memory"]
    memory: HostMemory | ArenaMemory
    if policy.cuda:
        memory = ArenaMemory(memory_fd, place["size_bytes"], place["split"])
    else:
        memory = HostMemory(memory_fd, place["size_bytes"], place["split"])
    os.close(memory_fd)
    serving = Session(memory, Path(policy.scratch), lambda: channel.send({}), cuda=policy.cuda)
    channel.send({"ready": True, "active": report.active, "missing": report.missing, "notes": report.notes})
    return _serve(channel, serving)


def _serve(channel: Channel, serving: Session) -> int:
    """Answer until the judge goes away; after ``arm`` poll for the request, since waking up takes long."""
    armed = False
    while True:
        try:
            message = channel.receive(_ARMED_SECONDS if armed else _IDLE_SECONDS, spin=armed)
        except ChannelTimeoutError:
            armed = False
            continue
        except ChannelClosedError:
            return 0
        reply = serving.answer(message)
        armed = message["op"] == "arm"
        channel.send({**reply, "nonce": message["nonce"]})


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main()
