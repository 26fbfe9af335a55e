"""Compiles announced candidates for a GPU that it does not touch, as a process beside the judge's.

Usage: python -m eval.judge.ahead_worker SOCKET_FD

It is told the GPU, then of jobs, each with its text in a descriptor. It answers with a job's key when the
compiler alone is at work on it, and then with a descriptor of what was compiled, empty where nothing was.
It ends with the judge, and what it started ends with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import NamedTuple

from eval import rules
from eval.dry_launch.compiling import AheadCompiler, Target
from eval.judge.ahead import packed_file
from eval.judge.faults import BrokenJudgeError, JudgeError
from eval.judge.processes import Zygote
from eval.protocol import Channel, ChannelClosedError, ChannelTimeoutError
from eval.records import Job
from eval.runner import linux
from eval.runner.sandbox import kill_tree

_NICENESS = 10
_START_SECONDS, _IDLE_SECONDS, _PATIENCE_SECONDS = 60.0, 3600.0, 2.0


class _Task(NamedTuple):
    key: str
    text: bytes


class _Inbox:
    """What was announced and not forgotten, in order; a thread fills it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, _Task] = {}
        self._current: str | None = None
        """Key of the job that is worked on; None where that is not wanted any more."""
        self._runner: int | None = None
        self._ended = False

    def add(self, task: _Task) -> None:
        with self._changed:
            self._waiting[task.key] = task
            self._changed.notify()

    def forget(self, key: str) -> None:
        """Drop a job; the runner that works on it is killed."""
        with self._changed:
            self._waiting.pop(key, None)
            if self._current == key:
                self._current = None
                self._end_runner()

    def _end_runner(self) -> None:
        if self._runner is not None:
            kill_tree(self._runner)

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._current = None
            self._end_runner()
            self._changed.notify()

    def next(self) -> _Task | None:
        """Return the job that was announced first, waiting for it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._ended:
                return None
            task = self._waiting.pop(next(iter(self._waiting)))
            self._current, self._runner = task.key, None
            return task

    def at_work(self, runner: int | None) -> None:
        """Take note of the process that works on the current job."""
        with self._changed:
            self._runner = runner
            if self._current is None:
                self._end_runner()


def main() -> None:
    """Serve a judge until it goes away."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    setting = channel.receive(_START_SECONDS)
    inbox = _Inbox()
    threading.Thread(target=_read, args=(channel, inbox), daemon=True).start()
    with closing(Zygote(cuda=False, dry=True)) as zygote:
        target = Target.model_validate(setting["target"])
        compiler = AheadCompiler(zygote, target, setting["workers"])
        assert zygote.versions
        try:
            channel.send({"ready": True})
            while (task := inbox.next()) is not None:
                data = _compiled(compiler, task, inbox, partial(channel.send, {"key": task.key}))
                with packed_file(data) as fd:
                    channel.send({"key": task.key}, [fd])
        except (ChannelClosedError, ChannelTimeoutError):
            return


def _read(channel: Channel, inbox: _Inbox) -> None:
    while True:
        try:
            message, fds = channel.receive_with_fds(_IDLE_SECONDS, max_fds=1)
        except ChannelTimeoutError:
            continue
        except ChannelClosedError:
            break
        if message["op"] == "announce":
            with os.fdopen(fds[0], "rb") as file:
                file.seek(0)
                inbox.add(_Task(message["key"], file.read()))
        else:
            inbox.forget(message["key"])
    inbox.end()
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)


def _compiled(compiler: AheadCompiler, task: _Task, inbox: _Inbox, all_noted: Callable[[], None]) -> bytes:
    job = Job.model_validate_json(task.text)
    if rules.static_verdict(rules.check_code(job.code, mode=job.rules)) is not None:
        return b""
    try:
        return compiler.compile(job, inbox.at_work, all_noted)
    except BrokenJudgeError:
        raise
    except JudgeError:
        return b""


if __name__ == "__main__":
    main()
