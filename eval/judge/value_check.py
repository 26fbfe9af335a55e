"""Outputs beside what the oracle says: all of them at once, in blocks of rows, or some rows from all over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eval.judge.faults import rejected
from eval.judge.foreseen import Foreseen
from eval.judge.rows import BLOCK_ELEMENTS, all_blocks, gathered, numbers, places, some_blocks
from eval.judge.tolerance import Tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.judge.calls import Prepared
    from eval.judge.compare import Mismatch
    from eval.judge.reference import CaseReference, Signature
    from eval.judge.tolerance import Right
    from eval.records import Problem


class ValueCheck:
    """Compares what calls gave with what one problem wants, however large it is."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._tolerance = Tolerance(problem)

    def right(self, case: CaseReference, prepared: Prepared, elements: int) -> list[Right] | None:
        """Compute what outputs of so many elements have to be; None where they are compared in parts."""
        if elements > BLOCK_ELEMENTS:
            return None
        return self._tolerance.right(case, prepared.private, prepared.state)

    def differs(
        self, case: CaseReference, prepared: Prepared, right: list[Right] | None, outputs: list[torch.Tensor]
    ) -> bool:
        """Tell whether `check` finds something wrong, with what is `right` where that was computed."""
        if right is None:
            return self.check(case, prepared, outputs) is not None
        return self._tolerance.differs(right, outputs)

    def clearly_right(self, right: list[Right], outputs: list[torch.Tensor]) -> torch.Tensor:
        """Return one truth value on the device, without waiting: where it is true `check` finds nothing."""
        return self._tolerance.clearly_right(right, outputs)

    def check(
        self, case: CaseReference, prepared: Prepared, outputs: list[torch.Tensor], *, in_full: bool = True
    ) -> Mismatch | None:
        """Compare with the float64 oracle; None when all are right.

        Not `in_full` compares some rows from all over alone, of a large output whose problem allows that.

        Raises:
            FaultRaised: an output was wrong, and right when it was looked at again.

        """
        overlap = self._problem.row_overlap
        if overlap is None or sum(o.numel() for o in outputs) <= BLOCK_ELEMENTS:
            return self._tolerance.check(case, prepared.private, prepared.state, outputs)
        if in_full:
            return self._in_blocks(case, prepared, outputs, overlap)
        foreseen = self._some_rows(case, prepared, outputs[0].shape, overlap)
        return foreseen.worst(foreseen.look(outputs))

    def _in_blocks(
        self, case: CaseReference, prepared: Prepared, outputs: list[torch.Tensor], overlap: int
    ) -> Mismatch | None:
        """Ask of all blocks whether they are clearly right, and wait for none, then of the others why not."""
        blocks = all_blocks(outputs[0])

        def parts(block: range) -> tuple[list[Right], list[torch.Tensor]]:
            behind = slice(block.start, block.stop + overlap)
            inputs = [x[behind] if isinstance(x, torch.Tensor) else x for x in prepared.private]
            right = self._tolerance.right(case, inputs, prepared.state)
            return right, [output[block.start : block.stop] for output in outputs]

        clear = torch.stack([self._tolerance.clearly_right(*parts(block)) for block in blocks])
        for index in (~clear).nonzero().flatten().tolist():
            right, found = parts(blocks[index])
            worst = self._tolerance.worst(right, found)
            if worst is not None:
                row = blocks[index].start + worst.index[0]
                return worst.model_copy(update={"index": (row, *worst.index[1:])})
            if all(one.is_finite() for one in right):
                raise rejected("tampering", "an output changed while it was compared", "seal")
        return None

    def foresee(self, case: CaseReference, prepared: Prepared, wanted: Signature) -> Foreseen | None:
        """Work out what a call has to give, in some rows of a large output that are drawn now.

        None where not every call is looked at: the time before one would tell whether it will be.
        """
        overlap = self._problem.row_overlap
        if overlap is None:
            return None
        if wanted.elements() <= BLOCK_ELEMENTS:
            return Foreseen(self._tolerance, self._tolerance.right(case, prepared.private, prepared.state))
        return self._some_rows(case, prepared, wanted.shapes[0], overlap)

    def _some_rows(
        self, case: CaseReference, prepared: Prepared, shape: Sequence[int], overlap: int
    ) -> Foreseen:
        """Look at some rows from all over alone, where rows depend on none but `overlap` behind them."""
        blocks = some_blocks(shape, overlap)
        inputs = [
            gathered(x, blocks, overlap) if isinstance(x, torch.Tensor) else x for x in prepared.private
        ]
        device = next(x.device for x in inputs if isinstance(x, torch.Tensor))
        kept = places(blocks, overlap, device)
        right = [one.rows(kept) for one in self._tolerance.right(case, inputs, prepared.state)]
        return Foreseen(self._tolerance, right, blocks, numbers(blocks, device))
