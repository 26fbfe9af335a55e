"""Who holds a row: a name for this process, and whether the process behind such a name still runs.

A collector that was killed leaves rows behind; the next one must know them from those of a
collector that is at work beside it.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def me() -> str:
    """Return ``host:pid:start`` of this process; a start time tells a reused pid apart."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Return whether that process runs on this host; one on another host counts as gone."""
    host, pid, started = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return started == _started(int(pid))


def _started(pid: int) -> str:
    """Start time in clock ticks after boot; empty where there is no ``/proc``."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The command's name, in brackets, may hold spaces; the fields after it do not.
    return stat.rpartition(")")[2].split()[19]
