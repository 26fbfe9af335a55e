"""What a runner prints: kept up to a limit, dropped beyond it, never written to a disk."""

from __future__ import annotations

import contextlib
import fcntl
import os

_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_MOST_READS = 64


class Printed:
    """The judge's end of a runner's stdout and stderr; drain it while the runner works, or it waits."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept = bytearray()
        self._cut = False
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._read_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def open(self) -> bool:
        """Tell whether anybody may still print."""
        return self._read_fd >= 0

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._read_fd

    def hand_over(self) -> None:
        """Close the end for writing here, once the runner has it."""
        os.close(self.write_fd)

    def drain(self) -> None:
        """Take what there is, at most 4 MiB at once, so that a flood cannot keep the judge busy."""
        for _ in range(_MOST_READS if self.open else 0):
            try:
                data = os.read(self._read_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close_end()
                return
            self._cut = self._cut or len(self._kept) + len(data) > self._most
            self._kept += data[: self._most - len(self._kept)]

    def text(self) -> str:
        """Return what was printed, with a last line that says so where it was cut."""
        text = self._kept.decode("utf-8", "replace")
        return f"{text}\n… cut after {self._most} bytes" if self._cut else text

    def close(self) -> None:
        """Take the rest and close; the text stays."""
        self.drain()
        if self.open:
            self._close_end()

    def _close_end(self) -> None:
        os.close(self._read_fd)
        self._read_fd = -1
