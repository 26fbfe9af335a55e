"""How far a long command is, on stderr: a bar on a terminal, a few plain lines anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINES = 20
"""About how many plain lines a long command prints."""


class Steps:
    """Counts the steps of a command; a context manager."""

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            from harness.cli.live import LiveColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn())
            columns_after = (MofNCompleteColumn(), TimeElapsedColumn(), LiveColumn(self.detail))
            self._bar = Progress(*columns, *columns_after, console=Console(stderr=True))
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def detail(self) -> str:
        """Return what else there is to say just now; on a terminal it is asked again and again."""
        return ""

    def step(self) -> None:
        """Count one step."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        elif self._done % max(1, self._total // _LINES) == 0 or self._done == self._total:
            said = f"{self._what}: {self._done} of {self._total}"
            sys.stderr.write(", ".join(filter(None, (said, self.detail()))) + "\n")

    def say(self, line: str) -> None:
        """Print a line beside the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")
