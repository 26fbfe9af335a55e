"""Other processes as the trusted side sees them: what they use, and how to end them all."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from eval.runner import linux
from eval.runner.cgroup import Cgroup

_ROUNDS = 100
_MOST_MEMBERS = 1024
"""A tree that forks faster than it is read has no end; nobody may have as many as this."""
_KIB = 1024
_PRIVATE, _SHARES = ("RssAnon", "RssShmem"), ("Pss_Anon", "Pss_Shmem")
_STATUS = ("Threads", *_PRIVATE)


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


def members(root: int, pids: Iterable[int]) -> set[int] | None:
    """Return which of `pids` are in the tree of `root`; None where this system does not tell a parent of one.

    That takes a look at a few files, where to walk a tree of many threads takes one at each.
    """
    above = {pid: _ancestors(pid) for pid in {root, *pids}}
    if any(found is None for found in above.values()):
        return None
    return {pid for pid in pids if pid == root or root in (above[pid] or ())}


def _ancestors(pid: int) -> list[int] | None:
    """Return the parent, then that one's, as far as this system tells; None where it tells of none."""
    found: list[int] = []
    while len(found) < _MOST_MEMBERS:
        parent = _parent(found[-1] if found else pid)
        if not parent:
            return found if found or parent == 0 else None
        found.append(parent)
    return found


def _parent(pid: int) -> int | None:
    return _fields(Path(f"/proc/{pid}/status"), ("PPid",)).get("PPid")


def usage(pid: int, most_tasks: int | None = None) -> Usage:
    """Measure a process tree; one that is gone uses nothing.

    Memory of files on disk is not counted, memory that several of them share once. It takes long to find out
    what they share, so where they are more than `most_tasks` it is counted for each.
    """
    said = {member: _fields(Path(f"/proc/{member}/status"), _STATUS) for member in tree(pid)}
    private = {member: _KIB * sum(said[member].get(name, 0) for name in _PRIVATE) for member in said}
    tasks = sum(fields.get("Threads", 0) for fields in said.values())
    if len(said) == 1 or (most_tasks is not None and tasks > most_tasks):
        return Usage(sum(private.values()), tasks)
    return Usage(sum(_proportional_bytes(member, alone) for member, alone in private.items()), tasks)


def _fields(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name: int(value.split()[0]) for name, value in pairs if name in names}


def _proportional_bytes(pid: int, private_bytes: int) -> int:
    shares = _fields(Path(f"/proc/{pid}/smaps_rollup"), _SHARES)
    return _KIB * sum(shares.values()) if shares else private_bytes


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
