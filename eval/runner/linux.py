"""Bare Linux calls through ctypes: what the sandbox needs and Python does not offer."""

import ctypes
import os
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

_LIBC = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: Any) -> int:
    """Call a libc function; integers go as C longs.

    Raises `OSError` where it returns -1 or this libc does not have it.
    """
    try:
        entry = getattr(_LIBC, function)
    except AttributeError as error:
        raise OSError(38, "not in this libc", function) from error
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    entry.restype = ctypes.c_long if function == "syscall" else ctypes.c_int
    result = int(entry(*converted))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)
    return result


def syscall(number: int, *arguments: Any) -> int:
    """Call the kernel by number; raises `OSError` where it refuses."""
    return call("syscall", number, *arguments)


def prctl(option: int, value: int, *rest: int) -> int:
    """Change an attribute of this process; raises `OSError` where the kernel refuses."""
    return call("prctl", option, value, *(*rest, 0, 0, 0)[:3])


def is_single_threaded() -> bool:
    """Tell whether the calling thread is the only one of its process."""
    return len(list(Path("/proc/self/task").iterdir())) == 1
