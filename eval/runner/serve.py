"""A runner from its first breath to its last: take orders from the judge, go inside the walls, serve."""

from __future__ import annotations

import os
import socket
from base64 import b64decode
from pathlib import Path
from typing import Any

import torch

from eval.dry_launch.session import DrySession
from eval.gate import Gate
from eval.protocol import Channel, ChannelClosedError, ChannelTimeoutError
from eval.runner.arena import ArenaMemory
from eval.runner.memory import HostMemory
from eval.runner.sandbox import SandboxPolicy, enter
from eval.runner.session import Session
from eval.runner.stopwatch import Stopwatch
from eval.runner.warm_cuda import warm_driver

_START_SECONDS = 60.0
_IDLE_SECONDS = 3600.0


def serve(socket_fd: int, output_fd: int, *pages: int) -> int:
    """Serve one judge until it goes away, and return the exit code.

    `pages` are the descriptors of the pieces of memory, and on a GPU behind them that of the gate.

    The first message says under which policy. The judge sends it once it has put this process
    into a control group, so nothing is forked before.
    """
    _redirect(output_fd)
    channel = Channel(socket.socket(fileno=socket_fd))
    start = channel.receive(_START_SECONDS)
    policy = SandboxPolicy.model_validate(start["policy"])
    os.environ.update(start["env"])
    os.chdir(policy.scratch)
    report = enter(policy)
    torch.set_num_threads(1)
    count = len(start["memory"]["pieces"])
    memory = _map_memory(pages[:count], start["memory"], cuda=policy.cuda)
    gate = _map_gate(*pages[count:])
    scratch = Path(policy.scratch)
    session: Session | DrySession
    if start["dry"]:
        assert isinstance(memory, HostMemory)
        session = DrySession(memory, scratch)
    else:
        stopwatch = None
        if gate is not None:
            stopwatch = Stopwatch(gate, b64decode(start["programs"]))
            warm_driver()
        session = Session(memory, scratch, channel.send, stopwatch)
    channel.send({"ready": True, **report.model_dump(mode="json")})
    return _answer_all(channel, session)


def _redirect(output_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output_fd)


def _map_memory(fds: tuple[int, ...], place: dict[str, Any], *, cuda: bool) -> HostMemory | ArenaMemory:
    kind = ArenaMemory if cuda else HostMemory
    memory = kind(fds, place["pieces"], place["split"])
    for fd in fds:
        os.close(fd)
    return memory


def _map_gate(fd: int | None = None) -> Gate | None:
    if fd is None:
        return None
    gate = Gate(fd)
    os.close(fd)
    return gate


def _answer_all(channel: Channel, session: Session | DrySession) -> int:
    """Answer until the judge goes away."""
    while True:
        try:
            message = channel.receive(_IDLE_SECONDS)
        except ChannelTimeoutError:
            continue
        except ChannelClosedError:
            return 0
        reply = session.answer(message)
        channel.send({**reply, "nonce": message["nonce"]})
