"""What a call has to give, worked out before it is called: in some rows of a large output, or everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from eval.judge.rows import as_bits, row_at

if TYPE_CHECKING:
    from eval.judge.compare import Mismatch
    from eval.judge.tolerance import Right, Tolerance


class Foreseen(NamedTuple):
    """It lies in the judge's own memory, and so do the numbers of the rows: no candidate knows them."""

    tolerance: Tolerance
    right: list[Right]
    blocks: list[range] | None = None
    """The rows of each output that are compared; None for all."""
    rows: torch.Tensor | None = None
    """Their numbers, on the device."""

    def look(self, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Copy what is compared to where nobody can change it, without waiting."""
        if self.rows is None:
            return [output.clone() for output in outputs]
        return [as_bits(output).index_select(0, self.rows).view(output.dtype) for output in outputs]

    def clearly_right(self, seen: list[torch.Tensor]) -> torch.Tensor:
        """Return one truth value on the device, without waiting: where it is true `worst` finds nothing.

        `seen` is what a `look` at the outputs gave.
        """
        return self.tolerance.clearly_right(self.right, seen)

    def worst(self, seen: list[torch.Tensor]) -> Mismatch | None:
        """Return the worst element that is wrong, of the first output where one is."""
        worst = self.tolerance.worst(self.right, seen)
        if worst is None or self.blocks is None:
            return worst
        row = row_at(self.blocks, worst.index[0])
        return worst.model_copy(update={"index": (row, *worst.index[1:])})
