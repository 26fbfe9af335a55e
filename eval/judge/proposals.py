"""Cases that were made by rule: which of them the reference itself accepts, and on which contents.

Rules know nothing of how a file's constants hang together, so they propose many sets and the first
run decides. Each is tried once in a judge's life, on the CPU, small, and with little time.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge.contents import DENSE, FAMILIES, GIVEN, fill, fill_whole
from eval.judge.faults import JudgeError, ProblemRefusedError
from eval.judge.reference import CaseReference
from eval.judge.source import our_failure

if TYPE_CHECKING:
    from eval.records import Case, Problem

MIXED = "mixed"
_MOST_ELEMENTS = 1 << 14
"""Of inputs and outputs together: the interpreter is slow."""
_MOST_WEIGHTS = 1 << 28
_TRY_SECONDS, _ALL_SECONDS = 5, 20.0
_MOST_CASES = 8
_KEPT = 8
_known: dict[tuple[Any, ...], Tried] = {}


class Tried(NamedTuple):
    """What came of a list of cases."""

    kept: list[CaseReference]
    dropped: dict[str, str]
    """Why, by name of the case."""


def references(problem: Problem, cases: tuple[Case, ...]) -> list[CaseReference]:
    """Return the cases as references, of those that were proposed the ones that run.

    Raises:
        ProblemRefusedError: all were proposed, none runs, and they were to decide.
        JudgeError: a case that was not proposed cannot be used.

    """
    return tried(problem, cases).kept


def tried(problem: Problem, cases: tuple[Case, ...]) -> Tried:
    """Do the same, and say what was dropped."""
    if not any(case.proposed for case in cases):
        return Tried([CaseReference(problem, case) for case in cases], {})
    key = (problem.hash, tuple(case.name for case in cases))
    if key not in _known:
        if len(_known) >= _KEPT:
            _known.clear()
        _known[key] = _try_all(problem, cases, deciding=cases == problem.cases)
    return _known[key]


def families(problem: Problem) -> tuple[str, ...]:
    """Return the families of contents that decide: all, or those on which the reference stays finite."""
    everything = (*FAMILIES, MIXED)
    if problem.tolerance == "fixed":
        return everything
    case = max(references(problem, problem.cases), key=CaseReference.elements)
    if not any(spec.origin.free for spec in case.inputs if spec.shape is not None):
        return (GIVEN,)
    fine = tuple(name for name in FAMILIES if case.remembered(f"family {name}", partial(_finite, case, name)))
    return (*fine, *([MIXED] if len(fine) == len(FAMILIES) else []), GIVEN)


def dense_families(problem: Problem) -> tuple[str, ...]:
    """Return those that are cheap to make at any size."""
    allowed = families(problem)
    return tuple(name for name in (*DENSE, GIVEN) if name in allowed)


def usual_family(problem: Problem) -> str:
    """Return ``normal``, or what `get_inputs` makes where that is not for this reference."""
    return "normal" if "normal" in families(problem) else GIVEN


def _try_all(problem: Problem, cases: tuple[Case, ...], *, deciding: bool) -> Tried:
    kept: dict[str, CaseReference] = {}
    dropped: dict[str, str] = {}
    shapes: set[str] = set()
    deadline = time.monotonic() + _ALL_SECONDS
    for case in cases:
        if case.name in kept or (kept and time.monotonic() > deadline):
            continue
        try:
            reference = _accepted(problem, case, deciding=deciding)
        except ProblemRefusedError:
            raise
        except JudgeError as error:
            if not case.proposed:
                raise
            dropped[case.name] = str(error)
            continue
        looks = f"{[spec[:2] for spec in reference.inputs]} {reference.init} {case.layout}"
        if deciding and looks in shapes:
            continue
        shapes.add(looks)
        kept[case.name] = reference
    if deciding and not kept:
        why = next(iter(dropped.values()), "there is no constant to vary")
        raise ProblemRefusedError(f"the reference runs on none of {len(cases)} scaled sizes: {why}")
    chosen = list(kept.values())
    return Tried(_spread(chosen) if deciding else chosen, {k: v for k, v in dropped.items() if k not in kept})


def _spread(cases: list[CaseReference]) -> list[CaseReference]:
    if len(cases) <= _MOST_CASES:
        return cases
    steps = [round(i * (len(cases) - 1) / (_MOST_CASES - 1)) for i in range(_MOST_CASES)]
    return [cases[step] for step in steps]


def _accepted(problem: Problem, case: Case, *, deciding: bool) -> CaseReference:
    with _little_time(case):
        reference = CaseReference(problem, case)
        if not case.proposed:
            return reference
        if reference.elements() > _MOST_ELEMENTS:
            raise JudgeError(f"case {case.name} is too large for the interpreter")
        _check_weights(reference)
        outputs = sum(math.prod(shape) for shape in reference.signature().shapes)
        if outputs > _MOST_ELEMENTS:
            raise JudgeError(f"case {case.name}: its output is too large for the interpreter")
        if not deciding:
            return reference
        if outputs == 0:
            raise JudgeError(f"case {case.name} has an empty output")
        reference.check_repeatable()
        with our_failure("fails on its own inputs"):
            answer = reference.expected(reference.given())
        if not _mostly_finite(answer):
            raise JudgeError(f"case {case.name}: the answer is not finite")
        return reference


def _check_weights(reference: CaseReference) -> None:
    """Count them before they take memory, where the constructor works on meta tensors."""
    try:
        with torch.device("meta"):
            weights = sum(entry.tensor.numel() for entry in reference.state(0))
    except JudgeError:
        return
    if weights > _MOST_WEIGHTS:
        raise JudgeError(f"the reference keeps {weights} weights, more than fit beside the judge")


def _finite(case: CaseReference, family: str) -> bool:
    rng = torch.Generator().manual_seed(torch.seed() % (1 << 62))
    inputs = case.given()
    for spec, tensor in zip(case.inputs, inputs, strict=True):
        if spec.shape is not None and spec.origin.free:
            fill(tensor, family, rng)
        elif spec.origin.bounds is not None:
            fill_whole(tensor, *spec.origin.bounds, rng)
    try:
        with our_failure("fails on these contents"):
            parts = [*case.expected(inputs), *case.rounded(inputs)]
    except JudgeError:
        return False
    return all(bool(part.isfinite().all()) for part in parts if part.is_floating_point())


def _mostly_finite(parts: list[torch.Tensor]) -> bool:
    floats = [part for part in parts if part.is_floating_point() and part.numel()]
    return all(float(part.isfinite().double().mean()) > 0.5 for part in floats)  # noqa: PLR2004 - most


@contextlib.contextmanager
def _little_time(case: Case) -> Iterator[None]:
    """Interrupt what takes too long, where this is the main thread; what is small ends by itself."""

    def end(*_: object) -> None:
        raise JudgeError(f"case {case.name}: the reference took more than {_TRY_SECONDS} s")

    try:
        before = signal.signal(signal.SIGALRM, end)
    except ValueError:  # not the main thread
        yield
        return
    signal.alarm(_TRY_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
