"""Resource limits of one process; what they cannot bound is watched from outside."""

import os
import resource
from pathlib import Path

_SLACK_BYTES = 1 << 30
_ROOT = 0


def limit(which: int, most: int) -> None:
    """Set a limit, soft and hard, no higher than the hard limit already in force."""
    hard = resource.getrlimit(which)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (value, value))


def address_space_bytes() -> int:
    """Return how much address space this process maps already."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def limit_address_space(extra_bytes: int) -> None:
    """Let this process map that much more than it has now, and room for the stacks of threads."""
    limit(resource.RLIMIT_AS, address_space_bytes() + extra_bytes + _SLACK_BYTES)


def limit_processes(extra: int, user_mapping: str) -> bool:
    """Bound processes and threads; return False for root, whom the kernel does not hold to it.

    A user namespace of its own counts from zero; elsewhere all that the user runs is counted in.
    """
    if user_mapping == "nobody" or os.getuid() == _ROOT:
        return False
    taken = 0 if user_mapping == "own" else _threads_of(os.getuid())
    limit(resource.RLIMIT_NPROC, taken + extra)
    return True


def _threads_of(uid: int) -> int:
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == uid:
                total += len(list((entry / "task").iterdir()))
        except OSError:
            continue
    return total
