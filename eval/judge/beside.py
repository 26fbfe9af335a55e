"""What a trial asks of the judge about the next candidate's, with which it may begin beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Beside(NamedTuple):
    """The next one loads its candidate as soon as it begins, and calls it once the GPU is free."""

    begin: Callable[[], None]
    """Begin with the next candidate: nothing that is scored is timed any more."""
    release: Callable[[], None]
    """Let the next one use the GPU."""
    end: Callable[[], bool]
    """End the next one, where this one has to be alone; tells whether there was one."""
    wait: Callable[[], float]
    """Wait until this trial may use the GPU itself; returns for how many seconds that was."""
