"""What the first call in a process would import or build: done once, in the parent of all runners.

It must start no thread and leave CUDA alone, since runners are forked from here.
"""

from __future__ import annotations

import numpy as np
import torch
import torch._dynamo
import triton
import triton.language as tl
from triton.runtime.errors import InterpreterError
from triton.runtime.interpreter import InterpretedFunction

from eval.runner.guard import OperatorLog

_BLOCK, _COUNT = 16, 24


class UnusableInterpreterError(Exception):
    """Triton's interpreter fails on a kernel that is right: candidates must not be blamed for that."""


@triton.jit  # type: ignore[untyped-decorator]
def _twice(source, target, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, N803
    for start in range(tl.program_id(0), count, BLOCK):
        index = start + tl.arange(0, BLOCK)
        tl.store(target + index, 2 * tl.load(source + index, mask=index < count), mask=index < count)


def warm_up() -> None:
    """Dispatch operators under a log and, in the interpreter, launch a kernel.

    A dispatch mode imports torch._dynamo at its first operator, which takes a second.

    Raises:
        UnusableInterpreterError: that kernel does not run, or gives a wrong answer.

    """
    with torch.no_grad(), OperatorLog():
        source = torch.ones(_COUNT)
        target = torch.empty_like(source)
        for make in (torch.empty, torch.zeros):  # as most candidates make their outputs
            make(_COUNT).view(2, -1)
    if isinstance(_twice, InterpretedFunction):
        try:
            _twice[(1,)](source, target, _COUNT, BLOCK=_BLOCK)
        except InterpreterError as error:
            raise UnusableInterpreterError(_unusable(str(error))) from error
        if target.tolist() != [2.0] * _COUNT:
            raise UnusableInterpreterError(_unusable("wrong answer"))


def _unusable(why: str) -> str:
    here = f"Triton {triton.__version__} with numpy {np.__version__}"
    return f"the interpreter of {here} does not work ({why}): install triton 3.9, or numpy below 2.4"
