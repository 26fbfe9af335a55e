"""The rules that a stage may set. Prompt and check read the same record, so they cannot drift apart.

A rule compares a candidate with the stage's current code. Configs of the current code are exempt from the
sets. What a record's fields mean is said here; `eval.stage.check` checks them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from eval.base import Record, Severity

METRIC_NAME = r"[a-z][a-z0-9]*__[a-z0-9_]+(\.[a-z0-9_]+)*"
"""Form of a metric name, for example ``sm__throughput.avg.pct_of_peak_sustained_elapsed``."""

ALLOWED = {
    "num_warps": (1, 2, 4, 8, 16, 32),
    "num_stages": tuple(range(1, 11)),
    "num_ctas": (1, 2, 4, 8, 16),
    "maxnreg": tuple(range(8, 257, 8)),
}
"""Values that Triton takes for the parameters it knows; block sizes are free."""

Param = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
Pattern = Annotated[str, Field(pattern=r"^[A-Za-z_*][\w*]*$")]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(gt=0, strict=True)]
MetricName = Annotated[str, Field(pattern=f"^{METRIC_NAME}$")]


class RuleBase(Record):
    """What all rules have."""

    numbers: ClassVar[tuple[str, ...]] = ()
    """Fields that the rule's bullet renders."""
    names: ClassVar[tuple[str, ...]] = ()
    """Fields whose values the rule's bullet names."""
    severity: Severity = "error"


class ParamSet(RuleBase):
    """A parameter of a new config is one of `values`."""

    numbers: ClassVar = ("values",)
    names: ClassVar = ("param",)
    check: Literal["param_set"]
    param: Param
    values: Annotated[tuple[Whole, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"values: a value stands twice in {list(self.values)}")
        allowed = ALLOWED.get(self.param)
        for value in self.values:
            if allowed and value not in allowed:
                raise ValueError(f"values: {self.param} cannot be {value}; it can be {_spoken(allowed)}")
            if value < 1:
                raise ValueError(f"values: {self.param} cannot be {value}; it must be positive")
        return self


class ParamStep(RuleBase):
    """A parameter differs by at most `step` from an original config with the same block sizes."""

    numbers: ClassVar = ("step",)
    names: ClassVar = ("param",)
    check: Literal["param_step"]
    param: Param
    step: Count


class ChangeOnlyIf(RuleBase):
    """A parameter changes only where a metric of the prompt is under `below`, in the metric's unit."""

    names: ClassVar = ("param",)
    check: Literal["change_only_if"]
    param: Param
    metric: MetricName
    below: Annotated[float, Field(strict=True)]
    severity: Severity = "warning"


class Frozen(RuleBase):
    """Grid as launched on the official case, or the block sizes of every config, stay as they were."""

    names: ClassVar = ("what",)
    check: Literal["frozen"]
    what: Annotated[tuple[Literal["grid", "block"], ...], Field(min_length=1)]


class ConfigCount(RuleBase):
    """Each autotuned kernel has from `minimum` to `maximum` configs."""

    numbers: ClassVar = ("minimum", "maximum")
    check: Literal["config_count"]
    minimum: Count
    maximum: Count

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum: {self.minimum} is more than the maximum, {self.maximum}")
        return self


class KeepOriginalConfigs(RuleBase):
    """Every config of the current code is still there."""

    check: Literal["keep_original_configs"]


class PowerOfTwo(RuleBase):
    """Parameters whose names match `params` (with ``*``) are powers of two."""

    names: ClassVar = ("params",)
    check: Literal["power_of_two"]
    params: Pattern


class MultipleOf(RuleBase):
    """In kernels with ``tl.dot``, parameters whose names match `params` are multiples of `factor`."""

    numbers: ClassVar = ("factor",)
    names: ClassVar = ("params",)
    check: Literal["multiple_of"]
    params: Pattern
    factor: Count


StageRule = Annotated[
    ParamSet
    | ParamStep
    | ChangeOnlyIf
    | Frozen
    | ConfigCount
    | KeepOriginalConfigs
    | PowerOfTwo
    | MultipleOf,
    Field(discriminator="check"),
]
RULES: dict[str, type[RuleBase]] = {
    "param_set": ParamSet,
    "param_step": ParamStep,
    "change_only_if": ChangeOnlyIf,
    "frozen": Frozen,
    "config_count": ConfigCount,
    "keep_original_configs": KeepOriginalConfigs,
    "power_of_two": PowerOfTwo,
    "multiple_of": MultipleOf,
}
"""Each kind of rule by the word that a stage file gives as its `check`."""

Scope = Literal["parameters", "kernels", "any"]
"""`parameters`: the same kernels launched as often and the same library operators called as in the current
code; `kernels`: the same library operators; `any`: no limit. Kernel bodies are always free."""


class StageRules(Record):
    """What a stage asks of a candidate, and what the prompt showed beside the current code."""

    stage: str
    scope: Scope = "any"
    rules: dict[str, StageRule] = Field(default_factory=dict)
    """By the id that violations carry."""
    compares: bool = True
    """False where the stage shows no current code: then nothing is compared with it."""
    metrics: dict[str, dict[str, float]] | None = None
    """Of the current code, by kernel, as the prompt showed them."""
    occupancy: dict[str, float] | None = None
    """Theoretical, of the current code on the prompt's GPU, 0 to 1, by kernel; for want of metrics."""


def _spoken(values: tuple[int, ...]) -> str:
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(steps) == 1 and len(values) > len(ALLOWED["num_warps"]):
        return f"{values[0]} to {values[-1]} in steps of {steps.pop()}"
    return ", ".join(str(value) for value in values)
