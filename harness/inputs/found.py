"""One reply as it was found in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from eval.records import Record
from harness.records import Reply

LOCAL = "local"
"""Model of a reply that says no other."""

Note = Callable[[str], None]


class Found(Record):
    """A reply and what its file says beside it."""

    reply: Reply
    custom_id: str | None = None
    """The id of a request in a Batch file, as whoever wrote it chose it."""
    numbered: bool = False
    """The file itself says which sample it is; otherwise it is the place in the file."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Reasoning text, refusal, ids of the endpoint."""
    error: str | None = None
    """Why there is no reply: the call failed at the endpoint."""
