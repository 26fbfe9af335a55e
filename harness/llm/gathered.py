"""What has come of one call so far, piece by piece, so that a broken one is kept too."""

from __future__ import annotations

import time
from typing import Any

from harness.llm.endpoint import Endpoint
from harness.store import Answer

TRUNCATED = "length"
"""Finish reason of a reply that was cut at the longest length."""


class _Choice:
    """One of the replies of a call."""

    def __init__(self) -> None:
        self.parts: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
        self.finish_reason: str | None = None


class Gathered:
    """The replies of one call by their index, and what the endpoint says about the call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._start = time.monotonic()
        self._choices: dict[int, _Choice] = {}
        self._extra: dict[str, Any] = {}
        self._model_id: str | None = None
        self.usage: dict[str, Any] = {}

    def note(self, **said: object) -> None:
        """Add what the endpoint says beside the replies; what is empty is passed over."""
        self._extra |= {name: value for name, value in said.items() if value is not None}

    def answered_by(self, model_id: object) -> None:
        """Note what the endpoint says answered."""
        if isinstance(model_id, str):
            self._model_id = model_id

    def add(self, index: int, kind: str, value: object) -> bool:
        """Add a piece of `text`, `reasoning` or `refusal`; return whether it was any."""
        if not isinstance(value, str) or not value:
            return False
        self._choice(index).parts[kind].append(value)
        return True

    def finish(self, index: int, reason: object) -> None:
        """Note that a reply is whole, and why it ended."""
        if isinstance(reason, str):
            self._choice(index).finish_reason = reason

    def whole(self, index: int) -> bool:
        """Return whether that reply has come to its end."""
        return index in self._choices and self._choices[index].finish_reason is not None

    def begun(self, index: int) -> bool:
        """Return whether anything of that reply has come."""
        return index in self._choices and any(self._choices[index].parts.values())

    def letters(self, index: int) -> str:
        """Return all that was written for a reply, reasoning included: what its tokens are guessed from."""
        parts = self._choices[index].parts if index in self._choices else {}
        return "".join(piece for pieces in parts.values() for piece in pieces)

    def answer(self, index: int = 0) -> Answer:
        """Return all that came of a reply, without the key and without what UTF-8 cannot hold."""
        choice = self._choices.get(index) or _Choice()
        said = {name: "".join(choice.parts[name]) for name in ("reasoning", "refusal") if choice.parts[name]}
        scrub = self._endpoint.scrub_all
        return Answer(
            text=scrub(_encodable("".join(choice.parts["text"]))),
            finish_reason=scrub(choice.finish_reason),
            usage=scrub(self.usage),
            model_id=scrub(self._model_id),
            latency_s=round(time.monotonic() - self._start, 3),
            extra=scrub({name: _encodable(value) for name, value in (self._extra | said).items()}),
        )

    def _choice(self, index: int) -> _Choice:
        return self._choices.setdefault(index, _Choice())


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
