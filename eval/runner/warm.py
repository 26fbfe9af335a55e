"""What the first call in a process would import or build: done once, in the parent of all runners.

It must start no thread and leave CUDA alone, since runners are forked from here.
"""

from __future__ import annotations

import torch
import torch._dynamo
import triton
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction

from eval.runner.guard import OperatorLog

_BLOCK = 16


@triton.jit  # type: ignore[untyped-decorator]
def _twice(source, target, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, N803
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + index, 2 * tl.load(source + index, mask=index < count), mask=index < count)


def warm_up() -> None:
    """Dispatch operators under a log and, in the interpreter, launch a kernel.

    A dispatch mode imports torch._dynamo at its first operator, which takes a second.
    """
    with torch.no_grad(), OperatorLog():
        source = torch.ones(_BLOCK)
        target = torch.empty_like(source)
    if isinstance(_twice, InterpretedFunction):
        _twice[(1,)](source, target, _BLOCK, BLOCK=_BLOCK)
