"""How far an output may be from the oracle: a fixed budget, or what the reference's own error asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge.compare import (
    DEFAULT_BUDGET,
    NOISE_FACTOR,
    Mismatch,
    clearly_right,
    compare,
    differs,
    noise,
)  # fmt: skip
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from eval.judge.model import Tensors
    from eval.judge.reference import CaseReference
    from eval.records import Problem

_TF32_BUDGET = 4 * 2.0**13
"""Four units of TF32, whose mantissa is 13 bits shorter than that of float32, in units of eps(float32)."""


class Right(NamedTuple):
    """One output as the oracle has it."""

    expected: torch.Tensor
    scale: torch.Tensor
    """What each element's error is measured against."""
    noise: float
    """The reference's own error in it, in units of eps times the scale; 0 where it was not measured."""
    overflown: torch.Tensor | None = None
    """Where the reference itself is not finite, and the oracle is; None where it is nowhere so."""

    def is_finite(self) -> bool:
        """Tell whether answer, scale and the reference's own answer are nowhere NaN or infinite."""
        finite = self.expected.isfinite() & self.scale.isfinite()
        return self.overflown is None and bool(finite.all())

    def rows(self, kept: torch.Tensor) -> Right:
        """Return these rows alone."""
        overflown = self.overflown[kept] if self.overflown is not None else None
        return self._replace(expected=self.expected[kept], scale=self.scale[kept], overflown=overflown)


class Tolerance:
    """Compares outputs with the right answer as one problem wants it."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def check(
        self, case: CaseReference, inputs: list[Any], state: Tensors | None, outputs: list[torch.Tensor]
    ) -> Mismatch | None:
        """Compute the right answer and compare every element; None when all are right."""
        return self.worst(self.right(case, inputs, state), outputs)

    def right(self, case: CaseReference, inputs: list[Any], state: Tensors | None) -> list[Right]:
        """Compute the right answer and how far an output may be from it."""
        expected = case.expected(inputs, state)
        scales = case.scale(inputs, expected, state)
        if not self._measures(case):
            return [Right(*parts, noise=0.0) for parts in zip(expected, scales, strict=True)]
        rounded = case.rounded(inputs, state)
        return [
            Right(wanted, scale, noise(own, wanted, scale), _overflown(own, wanted))
            for own, wanted, scale in zip(rounded, expected, scales, strict=True)
        ]

    def worst(self, right: list[Right], outputs: list[torch.Tensor]) -> Mismatch | None:
        """Return the worst element of the first output that is wrong; None when all are right."""
        for output, wanted in zip(outputs, right, strict=True):
            found = compare(output, *self._limits(output, wanted))
            if found is not None:
                return found
        return None

    def differs(self, right: list[Right], outputs: list[torch.Tensor]) -> bool:
        """Tell whether any output is wrong."""
        return any(
            differs(output, *self._limits(output, wanted))
            for output, wanted in zip(outputs, right, strict=True)
        )

    def clearly_right(self, right: list[Right], outputs: list[torch.Tensor]) -> torch.Tensor:
        """Return one truth value on the device, without waiting: where it is true `worst` finds nothing."""
        found = [
            clearly_right(output, *self._limits(output, wanted)[:3])
            for output, wanted in zip(outputs, right, strict=True)
        ]
        return torch.stack(found).all()

    def _limits(
        self, output: torch.Tensor, wanted: Right
    ) -> tuple[torch.Tensor, torch.Tensor, float, torch.Tensor | None]:
        budget = max(self._budget(output.dtype), NOISE_FACTOR * wanted.noise)
        return wanted.expected, wanted.scale, budget, wanted.overflown

    def _measures(self, case: CaseReference) -> bool:
        said = self._problem.error_budget
        return self._problem.tolerance == "measured" and not any(name in said for name in case.float_dtypes())

    def _budget(self, dtype: torch.dtype) -> float:
        name = dtype_name(dtype)
        if self._problem.tf32 and name == "float32" and name not in self._problem.error_budget:
            return _TF32_BUDGET
        return self._problem.error_budget.get(name, DEFAULT_BUDGET.get(name, 0.0))


def _overflown(own: torch.Tensor, expected: torch.Tensor) -> torch.Tensor | None:
    """Find where products left the range of the dtype on the way: an honest kernel may, and need not."""
    if not own.is_floating_point() or bool(own.isfinite().all()):
        return None
    return ~own.isfinite() & expected.isfinite()
