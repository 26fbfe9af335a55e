"""What a runner may answer, and nothing else: strict records of bounded size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from eval.records import FailedPhase, Record

MOST_OUTPUTS = 64
MOST_BLOCKS = 400

Text = Annotated[str, Field(max_length=8000)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Size = Annotated[int, Field(ge=0, lt=2**48)]
Sizes = Annotated[list[Size], Field(max_length=16)]


class Answer(Record):
    """The base of all answers; a value of another type is an error, and so is an unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ErrorReply(Answer):
    """An exception of the candidate."""

    phase: FailedPhase
    type: Text
    message: Text
    line: int | None


class OutputReply(Answer):
    """One tensor that came out; it lies nowhere that the judge can read where it was too large."""

    shape: Sizes
    dtype: Text
    offset: Size | None = None
    stride: Sizes | None = None


class OneCall(Answer):
    """What came out of one of several timed calls."""

    structure: Text
    types: list[Text] = Field(max_length=MOST_OUTPUTS)
    outputs: list[OutputReply] = Field(max_length=MOST_OUTPUTS)
    too_large: bool


Blocks = Annotated[
    list[Annotated[list[Size], Field(min_length=2, max_length=2)]], Field(max_length=MOST_BLOCKS)
]


class Made(Answer):
    """An instance was constructed."""

    live: Blocks
    """Blocks of memory in use or not used yet, as ``[offset, bytes]``."""


class Missing(Answer):
    """Which of the tensors that were asked for an instance does not keep."""

    missing: list[Count] = Field(max_length=MOST_OUTPUTS)


Plain = bool | int | float | Text | None


class SeenArgument(Answer):
    """What a kernel was given for one of its parameters."""

    name: Text
    kind: Literal["tensor", "value", "type", "function"]
    what: Plain


class SeenLaunch(Answer):
    """A launch in the interpreter, as it may be compiled."""

    kernel: Text
    arguments: list[SeenArgument] = Field(max_length=MOST_OUTPUTS)
    options: dict[Text, Count]


class Seen(Answer):
    """What was launched in the interpreter so far."""

    launches: list[SeenLaunch] = Field(max_length=MOST_OUTPUTS)
    constants: dict[Text, Plain] = Field(max_length=MOST_OUTPUTS)
    """Compile-time constants of the module, by name."""


class Facts(Answer):
    """The rest of what a runner says about a call, for reports and for finding mistakes."""

    aliases_input: bool
    aliases_earlier: bool
    launched: dict[Text, Count]
    configs: dict[Text, Count]
    operators: dict[Text, Count] | None
    live: Blocks
    """As in `Made`."""


class CallReply(OneCall):
    """What came out of one call of `forward` that is not timed."""

    facts: Facts
