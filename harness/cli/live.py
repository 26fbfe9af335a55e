"""A column of a progress bar that says what goes on just now. Imported only where there is a terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import ProgressColumn, Task
from rich.text import Text


class LiveColumn(ProgressColumn):
    """Shows what a function returns, a few times a second."""

    def __init__(self, detail: Callable[[], str]) -> None:
        super().__init__()
        self._detail = detail

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's signature
        """Return the text of this moment."""
        return Text(self._detail())
