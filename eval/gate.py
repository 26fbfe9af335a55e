"""A page of host memory that judge and runner share: when inputs are shown, and how far a stream has come.

The judge writes `TURN`, `OPENED` and the keys; the runner says `QUEUED`, and its GPU `AWAKE` and `DONE`. A
runner may write what it likes: without the judge's key its inputs are noise, and the judge reads from the
outputs as soon as `DONE` says that all is. What a runner can gain by a false one stands in docs/trust.md.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os

SIZE_BYTES = 4096
MOST_CALLS = 32
KEY_BYTES = 16
OPENED, QUEUED, DONE, TURN, AWAKE, KEYS = 0, 64, 128, 192, 256, 320
"""Where the words lie, each in a cache line of its own."""
_WORDS = OPENED, QUEUED, DONE, TURN, AWAKE
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Gate:
    """One mapping of the page that `fd` stands for."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE_BYTES)
        self._words = {at: ctypes.c_uint32.from_buffer(self._map, at) for at in _WORDS}
        self.address = ctypes.addressof(self._words[OPENED])

    def read(self, at: int) -> int:
        """Return the word at `OPENED` or one of the others."""
        return self._words[at].value

    def write(self, at: int, value: int) -> None:
        """Write one of those words."""
        self._words[at].value = value

    def write_key(self, call: int, key: bytes) -> None:
        """Lay down the key of one call, before it is opened."""
        start = KEYS + call * KEY_BYTES
        self._map[start : start + KEY_BYTES] = key

    def clear(self) -> None:
        """Close the gate and forget the keys."""
        for at in _WORDS:
            self.write(at, 0)
        self._map[KEYS : KEYS + MOST_CALLS * KEY_BYTES] = bytes(MOST_CALLS * KEY_BYTES)


def new_page() -> int:
    """Return a descriptor of a page that nobody can cut; the caller closes it."""
    fd = os.memfd_create("gate", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, SIZE_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd
