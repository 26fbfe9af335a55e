"""Landlock: an allow-list of paths, no TCP, signals and abstract sockets kept inside."""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from eval.runner import linux

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK, TRUNCATE, IOCTL_DEV = 1 << 6, 1 << 11, 1 << 14, 1 << 15
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
TRUNCATE_ABI, _NET_ABI, SCOPE_ABI = 3, 4, 6
_NEWEST = 7
_TCP_BIND_CONNECT = 0b11
_ABSTRACT_SOCKETS_SIGNALS = 0b11

READ = READ_FILE | READ_DIR
READ_EXECUTE = READ | EXECUTE
OWN_PROCESS = READ | WRITE_FILE | TRUNCATE
SCRATCH = ((1 << 16) - 1) & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV)
DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV | READ_DIR


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's version of Landlock, as far as it is known here; 0 where there is none."""
    try:
        return min(_NEWEST, linux.syscall(CREATE_RULESET, None, 0, _VERSION))
    except OSError:
        return 0


class Ruleset:
    """What is allowed, collected before it is put in force; everything else is refused."""

    def __init__(self, version: int) -> None:
        """Start with nothing allowed; raises `OSError` where the kernel lacks this version."""
        self.rights = _ALL_BY_ABI[max(1, min(version, max(_ALL_BY_ABI)))]
        attributes = _RulesetAttributes(
            self.rights,
            _TCP_BIND_CONNECT if version >= _NET_ABI else 0,
            _ABSTRACT_SOCKETS_SIGNALS if version >= SCOPE_ABI else 0,
        )
        size = 24 if version >= SCOPE_ABI else 16 if version >= _NET_ABI else 8
        self.descriptor = linux.syscall(CREATE_RULESET, ctypes.byref(attributes), size, 0)

    def allow(self, paths: Iterable[Path], rights: int) -> None:
        """Grant rights on paths and what is beneath them; a path that is not there is passed over."""
        for path in paths:
            try:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            self._add(descriptor, rights)
            os.close(descriptor)

    def allow_pinned(self, path: Path, rights: int) -> None:
        """Grant rights on a folder of /proc and keep it open.

        The kernel may forget an unused entry of /proc and make it anew, and a rule holds for the
        old one alone.
        """
        self._add(os.open(path, os.O_PATH | os.O_CLOEXEC), rights)

    def _add(self, descriptor: int, rights: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        granted = rights & self.rights & (self.rights if is_folder else _FILE_RIGHTS)
        rule = _PathBeneath(granted, descriptor)
        linux.syscall(ADD_RULE, self.descriptor, _PATH_BENEATH, ctypes.byref(rule), 0)

    def enforce(self) -> None:
        """Restrict this process and all that it starts, for ever; needs `no_new_privs`."""
        linux.syscall(RESTRICT_SELF, self.descriptor, 0)
        os.close(self.descriptor)
