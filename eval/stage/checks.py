"""One check for each kind of stage rule: it yields what is broken, and `UNDECIDED` where it cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from eval.stage.configs import DEFAULTS, Plain, Settings, Tuned
from eval.stage.records import (
    ChangeOnlyIf,
    ConfigCount,
    Frozen,
    KeepOriginalConfigs,
    MultipleOf,
    ParamSet,
    ParamStep,
    PowerOfTwo,
    StageRules,
)
from eval.stage.scope import Difference, Pairs, same_paths
from eval.stage.sides import Side

UNDECIDED: Final = "undecided"
Finding = Difference | str
"""A difference, or `UNDECIDED`."""


@dataclass(frozen=True)
class Context:
    """What every check is given. Without `current` there is nothing to compare with."""

    candidate: Side
    current: Side | None
    pairs: Pairs
    stage: StageRules

    def kernels(self) -> Iterator[Tuned]:
        """Yield the candidate's kernels that are launched."""
        names = self.candidate.launched_names()
        yield from (
            kernel for name, kernel in self.candidate.kernels.items() if names is None or name in names
        )

    def before(self, kernel: Tuned) -> Tuned | None:
        """Return the kernel of the current code that a kernel stands for."""
        name = self.pairs.get(kernel.name)
        return self.current.kernels.get(name) if self.current is not None and name is not None else None

    def originals(self, kernel: Tuned) -> tuple[Settings, ...] | None:
        """Return the configs of the current code, nothing where the kernel is new; None where not known."""
        before = self.before(kernel)
        return () if before is None else before.configs

    def new_configs(self, kernel: Tuned) -> list[Settings] | None:
        """Return the configs that the current code does not have."""
        originals = self.originals(kernel)
        if kernel.configs is None or originals is None:
            return None
        return [
            config for config in kernel.configs if not any(config.keeps(original) for original in originals)
        ]


def param_set(rule: ParamSet, context: Context) -> Iterator[Finding]:
    """Yield new configs whose parameter is outside of the set."""
    allowed = ", ".join(str(value) for value in rule.values)
    for config, value in _values(context, lambda name: name == rule.param):
        if isinstance(config, str):
            yield config
        elif value not in rule.values:
            yield _at(config, f"{rule.param} is {value} in a new config; this stage allows {allowed}")


def param_step(rule: ParamStep, context: Context) -> Iterator[Finding]:
    """Yield new configs whose parameter is too far from every original with the same block sizes."""
    for kernel in context.kernels():
        originals, new = context.originals(kernel), context.new_configs(kernel)
        if originals is None or new is None:
            yield UNDECIDED
            continue
        for config in new:
            before = _numbers(originals, config, rule.param)
            value = config.values.get(rule.param)
            if before and isinstance(value, int) and min(abs(value - old) for old in before) > rule.step:
                olds = ", ".join(str(old) for old in sorted(set(before)))
                yield _at(
                    config,
                    f"{rule.param} is {value}; with the same block sizes the current code has {olds}, "
                    f"and this stage changes it by at most {rule.step}",
                )


def change_only_if(rule: ChangeOnlyIf, context: Context) -> Iterator[Finding]:
    """Yield configs that change a parameter although nothing shows that its condition holds."""
    for kernel in context.kernels():
        originals, new = context.originals(kernel), context.new_configs(kernel)
        if originals is None or new is None:
            yield UNDECIDED
            continue
        shown = _shown(rule, context, kernel)
        if shown is None:
            continue
        for config in new:
            before = _numbers(originals, config, rule.param)
            value = config.values.get(rule.param)
            if before and value not in before:
                yield _at(config, f"{rule.param} changes to {value}, but {shown}")


def frozen(rule: Frozen, context: Context) -> Iterator[Finding]:
    """Yield block sizes that the current code does not have, and grids that changed."""
    for kernel in context.kernels():
        if "block" in rule.what:
            yield from _frozen_blocks(kernel, context)
    if "grid" in rule.what and context.current is not None:
        yield from _frozen_grids(context, context.current)


def config_count(rule: ConfigCount, context: Context) -> Iterator[Finding]:
    """Yield autotuned kernels with too few or too many configs."""
    for kernel in context.kernels():
        if not kernel.autotuned:
            continue
        if kernel.configs is None:
            yield UNDECIDED
        elif not rule.minimum <= len(kernel.configs) <= rule.maximum:
            yield Difference(
                f"{kernel.name} has {len(kernel.configs)} configs; "
                f"this stage asks for {rule.minimum} to {rule.maximum}",
                kernel.line,
                kernel.column,
            )


def keep_original_configs(_rule: KeepOriginalConfigs, context: Context) -> Iterator[Finding]:
    """Yield originals that are gone."""
    for kernel in context.kernels():
        originals = context.originals(kernel)
        if kernel.configs is None or originals is None:
            yield UNDECIDED
            continue
        for original in originals:
            if not any(config.keeps(original) for config in kernel.configs):
                yield Difference(
                    f"the original config ({original.shown()}) of {kernel.name} is gone",
                    kernel.line,
                    kernel.column,
                )


def power_of_two(rule: PowerOfTwo, context: Context) -> Iterator[Finding]:
    """Yield matching parameters of new configs that are no powers of two."""
    for config, value in _values(context, lambda name: fnmatchcase(name.upper(), rule.params.upper())):
        if isinstance(config, str):
            yield config
        elif not isinstance(value, int) or value < 1 or value & (value - 1):
            yield _at(config, f"{rule.params} is {value}, which is no power of two")


def multiple_of(rule: MultipleOf, context: Context) -> Iterator[Finding]:
    """Yield matching parameters of kernels with ``tl.dot`` that are no multiples of the factor."""
    dots = {kernel.name for kernel in context.kernels() if kernel.dots}
    for config, value in _values(context, lambda name: fnmatchcase(name.upper(), rule.params.upper()), dots):
        if isinstance(config, str):
            yield config
        elif not isinstance(value, int) or value % rule.factor:
            yield _at(
                config,
                f"{rule.params} is {value} in a kernel with tl.dot; it must be a multiple of {rule.factor}",
            )


def _values(
    context: Context, wanted: Callable[[str], bool], kernels: Iterable[str] | None = None
) -> Iterator[tuple[Settings | str, Plain]]:
    """Yield the wanted parameters of every new config."""
    chosen = None if kernels is None else set(kernels)
    for kernel in context.kernels():
        if chosen is not None and kernel.name not in chosen:
            continue
        new = context.new_configs(kernel)
        if new is None:
            yield UNDECIDED, None
        for config in new or ():
            yield from ((config, value) for name, value in config.values.items() if wanted(name))


def _numbers(originals: Iterable[Settings], config: Settings, param: str) -> list[int]:
    blocks = config.blocks()
    same = [original for original in originals if original.blocks() == blocks]
    values = [original.values.get(param, DEFAULTS.get(param)) for original in same]
    return [value for value in values if isinstance(value, int)]


def _shown(rule: ChangeOnlyIf, context: Context, kernel: Tuned) -> str | None:
    """Return why the condition does not hold; None where something shows that it does."""
    before = context.before(kernel)
    name = before.name if before is not None else kernel.name
    measured = (context.stage.metrics or {}).get(name, {}).get(rule.metric)
    if measured is not None:
        return None if measured < rule.below else f"{rule.metric} is {measured:g}, not under {rule.below:g}"
    occupancy = (context.stage.occupancy or {}).get(name)
    if occupancy is not None:
        percent = 100 * occupancy
        return None if percent < rule.below else f"the dry launch shows an occupancy of {percent:.0f} %"
    return f"nothing shows {rule.metric} under {rule.below:g}"


def _frozen_blocks(kernel: Tuned, context: Context) -> Iterator[Finding]:
    originals = context.originals(kernel)
    if context.current is None or context.before(kernel) is None:
        return
    if kernel.configs is None or originals is None:
        yield UNDECIDED
        return
    known = {original.blocks() for original in originals}
    for config in kernel.configs:
        if config.blocks() not in known:
            yield _at(config, f"block sizes ({config.shown()}) are not among those of the current code")


def _frozen_grids(context: Context, current: Side) -> Iterator[Finding]:
    if same_paths(context.candidate, current, context.pairs, ("launch",), grids=True):
        return
    for kernel in context.kernels():
        before = context.before(kernel)
        if before is None:
            continue
        now, then = context.candidate.ran.grids(kernel.name), current.ran.grids(before.name)
        shared = now.keys() & then.keys()
        if not shared:
            yield UNDECIDED
        changed = next((blocks for blocks in shared if now[blocks] != then[blocks]), None)
        if changed is not None:
            yield Difference(
                f"{kernel.name} is launched with the grid {now[changed]}, "
                f"in the current code with {then[changed]}",
                *context.candidate.place("launch", {kernel.name}),
            )


def _at(config: Settings, message: str) -> Difference:
    return Difference(message, config.line or 1, config.column or 0)


CHECKS: Mapping[str, Callable[[Any, Context], Iterator[Finding]]] = {
    "param_set": param_set,
    "param_step": param_step,
    "change_only_if": change_only_if,
    "frozen": frozen,
    "config_count": config_count,
    "keep_original_configs": keep_original_configs,
    "power_of_two": power_of_two,
    "multiple_of": multiple_of,
}
"""Check by the word that a stage file gives as `check`."""
