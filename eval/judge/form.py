"""What must hold of an answer before its values are looked at: its form, its memory, and the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from eval.judge.faults import incorrect
from eval.judge.rows import BLOCK_ELEMENTS, as_bits, gathered, some_blocks
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from eval.judge.calls import Prepared
    from eval.judge.faults import FaultRaised
    from eval.judge.reference import Signature
    from eval.judge.runner import CallReply, Facts, OneCall


def check_form(reply: CallReply | OneCall, wanted: Signature) -> None:
    """Structure, exact types, shapes and dtypes of what came back.

    Raises:
        FaultRaised: something differs from the reference.

    """
    if any(kind != "tensor" for kind in reply.types) or reply.structure != wanted.structure:
        got = ", ".join(reply.types) if reply.structure == "tensor" else f"{reply.structure} of {reply.types}"
        raise incorrect("type", f"forward returned {got}; the reference returns a {wanted.structure}")
    shapes = [tuple(output.shape) for output in reply.outputs]
    if shapes != list(wanted.shapes):
        raise incorrect("shape", f"output shape {_show(shapes)}, expected {_show(list(wanted.shapes))}")
    dtypes = [output.dtype for output in reply.outputs]
    expected = [dtype_name(dtype) for dtype in wanted.dtypes]
    if dtypes != expected:
        raise incorrect("dtype", f"output dtype {_show(dtypes)}, expected {_show(expected)}")


def check_facts(facts: Facts) -> None:
    """Require that the output is memory of its own.

    Raises:
        FaultRaised: it shares memory with an input or an earlier output.

    """
    if facts.aliases_input:
        raise incorrect("aliased_output", "the output shares memory with an input")
    if facts.aliases_earlier:
        raise incorrect("aliased_output", "the output shares memory with an earlier output")


def check_inputs(prepared: Prepared, *, in_full: bool = True) -> None:
    """Require that the inputs are what the judge wrote.

    Not `in_full` looks at some parts from all over a large one.

    Raises:
        FaultRaised: the candidate changed one.

    """
    if not all(torch.equal(now, before) for now, before in _pairs(prepared, in_full=in_full)):
        raise changed_input()


def changed_input() -> FaultRaised:
    """Return what is raised where an input is not what was written."""
    return incorrect("mutated_input", "forward changed its input")


def _pairs(prepared: Prepared, *, in_full: bool) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield for each input what is there and what was written, or parts of them, as bits."""
    for slot, copy in zip(prepared.placed, prepared.private, strict=True):
        if slot is None:
            continue
        now, before = as_bits(slot), as_bits(copy)
        if not in_full and slot.numel() > BLOCK_ELEMENTS and slot.is_contiguous():
            parts = some_blocks((now.numel(),))
            now, before = gathered(now.view(-1), parts), gathered(before.view(-1), parts)
        yield now, before


def unchanged(prepared: Prepared, *, in_full: bool = True) -> list[torch.Tensor]:
    """Return a truth value on the device for each input, without waiting: whether it is what was written.

    Where all are true `check_inputs` finds nothing.
    """
    return [(now == before).all() for now, before in _pairs(prepared, in_full=in_full)]


def _show(items: list[Any]) -> str:
    return str(items[0] if len(items) == 1 else items)
