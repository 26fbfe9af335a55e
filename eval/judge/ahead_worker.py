"""Compiles announced candidates for a GPU that it does not touch, as a process beside the judge's.

Usage: python -m eval.judge.ahead_worker SOCKET_FD

It is told the GPU, then of jobs, each with its text in a descriptor. It answers with a job's key when the
compiler alone is at work on it, and then with a descriptor of what was compiled, empty where nothing was.
Several jobs are worked on at once, each in a thread: most of the time of one goes to a few steps that no
number of cores makes shorter. It ends with the judge, and what it started ends with it.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from eval import rules
from eval.dry_launch.compiling import AheadCompiler, Target
from eval.judge import baton
from eval.judge.ahead import packed_file
from eval.judge.faults import BrokenJudgeError, JudgeError
from eval.judge.processes import Zygote
from eval.protocol import Channel, ChannelClosedError, ChannelTimeoutError
from eval.records import Job
from eval.runner import linux
from eval.runner.sandbox import kill_tree

_NICENESS = 10
_AT_ONCE = 3
"""Jobs that are worked on at once, where there are as many cores."""
_START_SECONDS, _IDLE_SECONDS, _PATIENCE_SECONDS = 60.0, 3600.0, 2.0


@dataclass(eq=False)
class _Task:
    key: str
    text: bytes
    runner: int | None = None
    """The process that works on it."""
    wanted: bool = True

    def drop(self) -> None:
        """End what works on it."""
        self.wanted = False
        if self.runner is not None:
            kill_tree(self.runner)


class _Inbox:
    """What was announced and not forgotten, in order; a thread fills it, several take from it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, _Task] = {}
        self._taken: set[_Task] = set()
        self._ended = False

    def add(self, task: _Task) -> None:
        with self._changed:
            self._waiting[task.key] = task
            self._changed.notify()

    def forget(self, key: str) -> None:
        """Drop a job; the runner that works on it is killed."""
        with self._changed:
            self._waiting.pop(key, None)
            for task in self._taken:
                if task.key == key:
                    task.drop()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._waiting.clear()
            for task in self._taken:
                task.drop()
            self._changed.notify_all()

    def next(self) -> _Task | None:
        """Return the job that was announced first, waiting for it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._ended:
                return None
            task = self._waiting.pop(next(iter(self._waiting)))
            self._taken.add(task)
            return task

    def at_work(self, task: _Task, runner: int | None) -> None:
        """Take note of the process that works on a job; where that is not wanted any more, end it."""
        with self._changed:
            task.runner = runner
            if not task.wanted:
                task.drop()

    def done(self, task: _Task) -> None:
        """Let go of a job that was taken."""
        with self._changed:
            self._taken.discard(task)


def main() -> None:
    """Serve a judge until it goes away."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    setting = channel.receive(_START_SECONDS)
    inbox, ended = _Inbox(), queue.SimpleQueue[BaseException | None]()
    threading.Thread(target=_read, args=(channel, inbox), daemon=True).start()
    with closing(Zygote(cuda=False, dry=True)) as zygote:
        target = Target.model_validate(setting["target"])
        compiler = AheadCompiler(zygote, target, setting["workers"])
        assert zygote.versions
        try:
            channel.send({"ready": True})
        except (ChannelClosedError, ChannelTimeoutError):
            return
        for _ in range(min(_AT_ONCE, setting["workers"])):
            threading.Thread(target=_work, args=(compiler, channel, inbox, ended), daemon=True).start()
        failure = ended.get()
        if failure is not None:
            raise failure


def _work(
    compiler: AheadCompiler, channel: Channel, inbox: _Inbox,
    ended: queue.SimpleQueue[BaseException | None],
) -> None:  # fmt: skip
    """Compile one job after another; with the first of several threads that ends, all end."""
    ending: BaseException | None = None
    try:
        while (task := inbox.next()) is not None:
            with baton.held():
                data = _compiled(compiler, task, inbox, partial(channel.send, {"key": task.key}))
                inbox.done(task)
                if task.wanted:
                    with packed_file(data) as fd:
                        channel.send({"key": task.key}, [fd])
    except (ChannelClosedError, ChannelTimeoutError):
        pass  # the judge is gone
    except BaseException as failure:  # noqa: BLE001 - raised again where it is waited for
        ending = failure
    ended.put(ending)


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
        return compiler.compile(job, partial(inbox.at_work, task), all_noted)
    except BrokenJudgeError:
        raise
    except JudgeError:
        return b""


if __name__ == "__main__":
    main()
