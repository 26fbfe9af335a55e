"""One way through the host code, as far as it has been followed; values are texts over the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from eval.stage.events import Event

KERNEL = "kernel:"
"""Before the name of a kernel, where a value is one."""
_LONGEST = 400
_RELATED = {"!=": "==", "not in": "in", "is not": "is", ">=": "<", ">": "<="}


class UndecidedError(Exception):
    """The text alone does not say what runs."""


_NOTHING: Mapping[str, str] = MappingProxyType({})


class State(NamedTuple):
    """Names and attributes with their values, the conditions taken, and what happened so far."""

    names: Mapping[str, str] = _NOTHING
    attributes: Mapping[str, str] = _NOTHING
    """Of the model: ``self.NAME``."""
    conditions: frozenset[tuple[str, bool]] = frozenset()
    events: tuple[Event, ...] = ()
    result: str | None = None
    """What the function returned; None while it runs."""

    def bound(self, name: str, text: str) -> State:
        """Return the state with a name bound."""
        return State({**self.names, name: text}, *self[1:])

    def assigned(self, attribute: str, text: str) -> State:
        """Return the state with an attribute of the model assigned."""
        return self._replace(attributes={**self.attributes, attribute: text})

    def with_event(self, event: Event | None) -> State:
        """Return the state after an event."""
        return self if event is None else State(*self[:3], (*self.events, event), self.result)

    def branches(self, condition: str) -> list[tuple[bool, State]]:
        """Return what a condition can be here, each with the state in which it is so."""
        condition, flipped = _positive(condition)
        if condition in {"True", "False"}:
            return [((condition == "True") != flipped, self)]
        known = [value for text, value in self.conditions if text == condition]
        values = known or [True, False]
        return [
            (value != flipped, self._replace(conditions=self.conditions | {(condition, value)}))
            for value in values
        ]


Valued = Iterator[tuple[State, str]]
"""The values that something can have, each with the state in which it has it."""


def short(text: str) -> str:
    """Return a text, or where it is long, a name for it: nesting must not make it explode."""
    return text if len(text) <= _LONGEST else f"<{sha256(text.encode()).hexdigest()[:24]}>"


def comparison(left: str, operator: str, right: str) -> str:
    """Return a comparison in one of two forms for each pair of opposites."""
    positive = _RELATED.get(operator)
    text = short(f"({left} {positive or operator} {right})")
    return f"not {text}" if positive else text


def _positive(condition: str) -> tuple[str, bool]:
    flipped = False
    while condition.startswith("not "):
        condition, flipped = condition.removeprefix("not "), not flipped
    return condition, flipped
