"""The judge as a process: one job a line on stdin, one answer a line on stdout.

A line ``{"ahead": JOB}`` says what may come after the next job; it gets no answer.

Usage: python -m eval.judge cpu|cuda

An answer is ``{"verdict": …}`` or, for a failure of ours, ``{"error": …}``. With ``"last": true``
the judge ends: something is broken, and a new one must take its place. It ends at once, with all
that it started, when stdin does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eval.client import ANNOUNCES, PROBLEM_REFUSED
from eval.judge.faults import BrokenJudgeError, JudgeError, ProblemRefusedError
from eval.records import Job

if TYPE_CHECKING:
    from eval.judge.bench import Bench

_PATIENCE_SECONDS = 10.0
_OPEN_FILES = 4096


def main() -> None:
    """Serve jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the reference prints must not look like a verdict
    _allow_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    with contextlib.ExitStack() as stack:
        bench, last = None, False
        while not last:
            try:
                bench = bench or stack.enter_context(_bench())
                answer = _answer(bench, _job(bench, jobs))
            except JudgeError as error:
                answer = _error(error, last=True)
            last = bool(answer["last"])
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _allow_files() -> None:
    """Raise the soft limit of open files: on a GPU each region has a descriptor for each of its pieces."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextlib.contextmanager
def _bench() -> Iterator[Bench]:
    from eval.judge.bench import Bench

    cuda = sys.argv[1] == "cuda"
    bench = Bench(cuda=cuda)
    try:
        if cuda:
            gc.collect()
            gc.freeze()  # what is loaded by now stays; to look through it takes a tenth of a second of a GPU
        yield bench
    finally:
        bench.close()


def _read(jobs: queue.SimpleQueue[str]) -> None:
    """Pass the jobs on; at their end interrupt whatever the judge is doing, and do not wait for ever."""
    with os.fdopen(os.dup(0), encoding="utf-8") as lines:
        for line in lines:
            jobs.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)


def _job(bench: Bench, jobs: queue.SimpleQueue[str]) -> str:
    """Return the next job, the judge told of those that were announced before it."""
    while (line := jobs.get()).startswith(ANNOUNCES):
        bench.announce(line.removeprefix(ANNOUNCES).strip()[:-1])
    return line


def _answer(bench: Bench, line: str) -> dict[str, object]:
    try:
        verdict = bench.judge(Job.model_validate_json(line))
    except JudgeError as error:
        return _error(error, last=isinstance(error, BrokenJudgeError) or not bench.healthy)
    except Exception as error:  # noqa: BLE001 - our own failure goes to its one owner, the caller
        traceback.print_exc()
        return _error(error, last=True)
    return {"verdict": verdict.model_dump(mode="json"), "last": not bench.healthy}


def _error(error: Exception, *, last: bool) -> dict[str, object]:
    kind = "" if isinstance(error, JudgeError) else f"{type(error).__name__}: "
    if isinstance(error, ProblemRefusedError):
        kind = f"{PROBLEM_REFUSED}: "
    return {"error": f"{kind}{error}", "last": last}


if __name__ == "__main__":
    main()
