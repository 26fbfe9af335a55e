"""How much device memory the judging of one size takes, and who has to share it.

The reckoning for the seed's full size stands in docs/timing.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from eval.judge.contents import GIVEN
from eval.judge.footprint import peak_bytes
from eval.judge.proposals import families
from eval.judge.regions import DeviceRegion, bytes_needed
from eval.judge.rows import BLOCK_ELEMENTS
from eval.judge.weights import size_of

if TYPE_CHECKING:
    from eval.judge.reference import CaseReference
    from eval.records import Problem

_BYTES_AN_OUTPUT = 57
"""For each element that is compared: the oracle, its scale, the error and what is between them are 7.1
numbers of double precision at once (6.6 for a scan). Counted by the storages that are alive, over all
problems that ship."""
_JUDGE_ROOM = 256 << 20
"""To flush the L2, and for what is small."""
_CONTEXT_BYTES = 450_000_000
"""Of one runner: what CUDA keeps for a process, its modules included."""
_ROOMY, _TIGHT = 1.05, 1.0
_HEAP_ROOM = 512 << 20
"""Behind inputs and outputs once each, which is what an output and a copy of the inputs take: twice the L2
to flush it, 256 MiB of Triton's tuner, and alignment."""
_STATE_FACTOR = 3
"""Weights, a copy of them, and what a constructor needs meanwhile."""
_DOUBLE_BYTES = 8
_LEAST_INPUT_BYTES = 64 << 20
_BATCH_BYTES, _MOST_CALLS = 2e9, 32
"""Of the calls of one timed turn."""
_WAITING_BYTES = 1 << 29
"""Of the runner that waits for the next candidate."""
_LEAST_LEFT_BYTES, _LEFT_PART = 2 << 30, 16
"""This much, and this part of the card's memory, stays free for what the judge itself still needs."""


class Needs(NamedTuple):
    """What is known of one problem and size, in bytes."""

    input_bytes: int
    """Of the inputs of one call, each aligned as in a region."""
    private_bytes: int
    """Of the same inputs, packed; twice that where `get_inputs` itself makes contents at full size."""
    moved_bytes: int
    """Inputs, outputs and weights once each."""
    state_bytes: int
    largest_input: int
    """Elements of the largest input."""
    oracle_bytes: int
    """Of what is computed to compare as much as is compared at once."""
    output_bytes: int
    reference_bytes: int
    """What the reference holds at once beside its inputs."""
    calls: int
    """Calls of one timed turn."""
    runners: int


class Plan(NamedTuple):
    """Sizes of regions, and how many there are: one a runner, two, or one for all."""

    regions: int
    input_bytes: int
    heap_bytes: int
    needed_bytes: int
    """Of device memory, beside what the judge's process already holds."""


def least(needs: Needs) -> Plan:
    """Return the plan that takes the least."""
    return _plan(needs, 1, _TIGHT)


def fitting(needs: Needs, there_bytes: int) -> Plan | None:
    """Return the roomiest plan that fits into `there_bytes`; None where none does.

    Runners take turns, so what they share is never in use twice; but what a runner keeps from one turn to
    the next would be lost, so sharing is for where memory is short.
    """
    choices = ((needs.runners, _ROOMY), (2, _ROOMY), (1, _ROOMY), (1, _TIGHT))
    plans = (_plan(needs, regions, factor) for regions, factor in choices)
    return next((plan for plan in plans if plan.needed_bytes <= there_bytes), None)


def room_for(most: int, region_bytes: int, free_bytes: int, total_bytes: int) -> int:
    """Return how many regions more, each with a runner that waits in it, leave enough memory free.

    That is some for the judge, and as much as another such region takes for who profiles or sanitizes a
    candidate while the judge lives.
    """
    place_bytes = region_bytes + _WAITING_BYTES
    room = free_bytes - max(_LEAST_LEFT_BYTES, total_bytes // _LEFT_PART) - place_bytes
    return max(0, min(most, room // place_bytes))


def _plan(needs: Needs, regions: int, factor: float) -> Plan:
    inputs = max(needs.calls * needs.input_bytes, _LEAST_INPUT_BYTES)
    earlier = (needs.calls - 1) * needs.output_bytes
    state = _STATE_FACTOR * needs.state_bytes
    work = max(factor * needs.calls * needs.moved_bytes, earlier + factor * needs.reference_bytes)
    heap = int(work) + _HEAP_ROOM + state
    judge = needs.calls * needs.private_bytes + state + _judge_bytes(needs)
    needed = judge + needs.runners * _CONTEXT_BYTES + regions * (inputs + heap)
    return Plan(regions, inputs, heap, needed)


def _judge_bytes(needs: Needs) -> int:
    """Return what a check takes: a flag for each element of an input, then in its place the oracle."""
    return max(needs.largest_input, needs.oracle_bytes) + _JUDGE_ROOM


def needs_of(problem: Problem, case: CaseReference, *, runners: int) -> Needs:
    """Count what the judging of one case takes; nothing is put on a GPU."""
    shapes, dtypes = case.signature().shapes, case.signature().dtypes
    inputs = [math.prod(spec.shape) for spec in case.inputs if spec.shape is not None]
    outputs = sum(math.prod(s) * dtype.itemsize for s, dtype in zip(shapes, dtypes, strict=True))
    state = size_of([entry for entry in case.keeps() if entry.kind == "parameter"])
    given = bytes_needed(case.inputs, 1)
    moved = given + outputs + state
    part = _part_compared(shapes) if problem.row_overlap is not None else 1.0
    compared = part * _BYTES_AN_OUTPUT * sum(map(math.prod, shapes))
    made_whole = GIVEN in families(problem) or any(spec.own for spec in case.inputs)
    return Needs(
        input_bytes=bytes_needed(case.inputs, DeviceRegion.align),
        private_bytes=(2 if made_whole else 1) * given,
        moved_bytes=moved,
        state_bytes=state,
        largest_input=max(inputs, default=0),
        oracle_bytes=int(max(compared, part * _oracle_bytes(case))),
        output_bytes=outputs,
        reference_bytes=peak_bytes(case.find_signature, fused=True) - given,
        calls=1 if case.stateful else max(1, min(_MOST_CALLS, int(_BATCH_BYTES / max(moved, 1)))),
        runners=runners,
    )


def _oracle_bytes(case: CaseReference) -> float:
    """Return what the reference holds at once in double precision."""
    dtypes = [spec.dtype for spec in case.inputs if spec.dtype is not None and spec.dtype.is_floating_point]
    shortest = min((dtype.itemsize for dtype in dtypes), default=_DOUBLE_BYTES)
    return _DOUBLE_BYTES / shortest * peak_bytes(case.find_signature)


def _part_compared(shapes: tuple[tuple[int, ...], ...]) -> float:
    """Return how much of the outputs is compared at once, where rows can be compared apart."""
    outputs, row = sum(map(math.prod, shapes)), max((math.prod(shape[1:]) for shape in shapes), default=1)
    return min(1.0, max(BLOCK_ELEMENTS, row) / outputs) if outputs > BLOCK_ELEMENTS else 1.0
