"""Other processes as the trusted side sees them: what they use, and how to end them all."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from eval.runner import linux
from eval.runner.cgroup import Cgroup

_ROUNDS = 100
_MOST_MEMBERS = 1024
"""A tree that forks faster than it is read has no end; nobody may have as many as this."""
_KIB = 1024


class Usage(NamedTuple):
    """What a process and all its descendants use now."""

    resident_bytes: int
    tasks: int
    """Processes and threads."""


def tree(pid: int) -> tuple[int, ...]:
    """Return a process and its descendants; those that outlived their parents count for the runner.

    The sandbox makes the runner adopt its orphans, so the tree is whole while the runner lives. It is
    cut at 1024 members.
    """
    found = {pid: None}
    waiting = [pid]
    while waiting and len(found) < _MOST_MEMBERS:
        fresh = [child for child in _children(waiting.pop()) if child not in found]
        found |= dict.fromkeys(fresh)
        waiting += fresh
    return tuple(found)[:_MOST_MEMBERS]


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def usage(pid: int) -> Usage:
    """Measure a process tree; one that is gone uses nothing.

    Memory of files on disk is not counted, memory that several of them share once.
    """
    members = tree(pid)
    measure = _private_bytes if len(members) == 1 else _proportional_bytes
    return Usage(sum(map(measure, members)), sum(map(_threads, members)))


def tasks(pid: int) -> int:
    """Count the processes and threads of a tree; it takes a hundredth of measuring their memory."""
    return sum(map(_threads, tree(pid)))


def resident_bytes(pid: int) -> int:
    """Return the bytes of memory in use by a process tree, files on disk aside."""
    return usage(pid).resident_bytes


def _fields(path: Path, names: tuple[str, ...]) -> list[int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return [int(value.split()[0]) for name, value in pairs if name in names]


def _private_bytes(pid: int) -> int:
    return _KIB * sum(_fields(Path(f"/proc/{pid}/status"), ("RssAnon", "RssShmem")))


def _proportional_bytes(pid: int) -> int:
    shares = _fields(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon", "Pss_Shmem"))
    return _KIB * sum(shares) if shares else _private_bytes(pid)


def _threads(pid: int) -> int:
    return sum(_fields(Path(f"/proc/{pid}/status"), ("Threads",)))


def kill_tree(pid: int, cgroup: Cgroup | None = None) -> None:
    """End a runner and everything that it started, at once; those already gone are passed over.

    Call it before the runner's parent collects its exit status, so that `pid` still means it.
    """
    members = _stop(pid)
    _kill_group(pid)
    _signal(pid, signal.SIGKILL)
    if cgroup is not None:
        cgroup.kill()
    for member in members:
        _signal(member, signal.SIGKILL)


def _stop(pid: int) -> tuple[int, ...]:
    """Stop every member before the first one dies, so that none can fork in between.

    One that forks too fast for that ends with its group, or with its PID namespace.
    """
    stopped: tuple[int, ...] = ()
    for _ in range(_ROUNDS):
        members = tree(pid)
        fresh = set(members) - set(stopped)
        if not fresh or len(stopped) == _MOST_MEMBERS:
            break
        for member in fresh:
            _signal(member, signal.SIGSTOP)
        stopped = members
    return stopped


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    if pid != os.getpgrp():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def hide_from_same_user() -> None:
    """Close this process's environment, memory and descriptors to others of the same user."""
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
