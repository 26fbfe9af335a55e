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

    def clearly_right(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """Return one truth value on the device, without waiting: where it is true `worst` finds nothing."""
        return self.tolerance.clearly_right(self.right, self._looked_at(outputs))

    def worst(self, outputs: list[torch.Tensor]) -> Mismatch | None:
        """Return the worst element that is wrong, of the first output where one is."""
        worst = self.tolerance.worst(self.right, self._looked_at(outputs))
        if worst is None or self.blocks is None:
            return worst
        row = row_at(self.blocks, worst.index[0])
        return worst.model_copy(update={"index": (row, *worst.index[1:])})

    def _looked_at(self, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        if self.rows is None:
            return outputs
        return [as_bits(output).index_select(0, self.rows).view(output.dtype) for output in outputs]
