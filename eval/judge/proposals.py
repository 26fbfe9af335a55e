"""Cases that were made by rule: which of them the reference itself accepts, and on which contents.

Rules know nothing of how a file's constants hang together, so they propose many sets and the first
run decides. Each is tried once in a judge's life, on the CPU, small, and with little time. Cases that were
written by hand are not tried; they are kept here too, since what a judge makes of them takes a while.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from eval.judge.compare import NOISE_FACTOR, noise
from eval.judge.contents import DENSE, FAMILIES, GIVEN, fill, fill_whole
from eval.judge.faults import JudgeError, ProblemRefusedError
from eval.judge.little_time import Clock, TooLongError, little_time
from eval.judge.reference import CaseReference
from eval.judge.source import our_failure
from eval.judge.weights import new_state

if TYPE_CHECKING:
    from eval.records import Case, Problem

MIXED = "mixed"
_MOST_ELEMENTS = 1 << 14
"""Of inputs and outputs together: the interpreter is slow."""
_MOST_WEIGHTS = 1 << 28
_MANY_WEIGHTS = 1 << 22
_TRY_SECONDS, _ALL_SECONDS = 5, 20.0
_MOST_CASES = 8
_LARGER_ELEMENTS, _LARGER_SECONDS, _LARGER_CASES = 1 << 18, 20, 2
"""For a reference that does not run on less, or says nothing there: a network for images of one size."""
_KEPT = 8
_known: dict[str, Tried] = {}
"""What came of lists of cases, by all that is said of the problem and of them."""


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
    key = "\n".join([problem.model_dump_json(), *(case.model_dump_json() for case in cases)])
    if key not in _known:
        if len(_known) >= _KEPT:
            _known.clear()
        if any(case.proposed for case in cases):
            _known[key] = _try_all(problem, cases, deciding=cases == problem.cases)
        else:
            _known[key] = Tried([CaseReference(problem, case) for case in cases], {})
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


class _BlurredError(JudgeError):
    """The reference's own error there is so large that rounding to half precision would pass."""

    def __init__(self, reference: CaseReference) -> None:
        super().__init__(f"case {reference.case.name}: the reference errs as much as half precision does")
        self.reference = reference


def _try_all(problem: Problem, cases: tuple[Case, ...], *, deciding: bool) -> Tried:
    _import_for_meta()
    found = _Found(problem, deciding=deciding)
    found.add(cases, _ALL_SECONDS)
    blurred = list(found.blurred.values())
    if deciding and not found.kept:
        found.limits = _Limits(_LARGER_ELEMENTS, _LARGER_SECONDS, _LARGER_CASES)
        found.add(found.larger(cases), _ALL_SECONDS)
    kept = list(found.kept.values()) or blurred or list(found.blurred.values())
    if deciding and not kept:
        why = next(iter(found.dropped.values()), "there is no constant to vary")
        raise ProblemRefusedError(f"the reference runs on none of {len(cases)} scaled sizes: {why}")
    names = {reference.case.name for reference in kept}
    dropped = {name: why for name, why in found.dropped.items() if name not in names}
    return Tried(_spread(kept) if deciding else kept, dropped)


def _import_for_meta() -> None:
    """Let torch import what meta tensors need: cut off half-way, that would stay broken for good."""
    torch.empty(1, device="meta").normal_()


class _Limits(NamedTuple):
    """What a case may be at most, and how many are enough."""

    elements: int = _MOST_ELEMENTS
    seconds: int = _TRY_SECONDS
    cases: int | None = None


class _Found:
    """Which cases ran so far, and why the others did not."""

    def __init__(self, problem: Problem, *, deciding: bool) -> None:
        self._problem, self._deciding = problem, deciding
        self.limits = _Limits()
        self.kept: dict[str, CaseReference] = {}
        self.blurred: dict[str, CaseReference] = {}
        self.dropped: dict[str, str] = {}
        self._tried: set[str] = set()
        self._too_large: dict[str, int] = {}
        self._shapes: set[str] = set()

    def larger(self, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        """Return those that were too large or not tried, the largest that are allowed first."""
        sizes = {case.name: 0 for case in cases if case.name not in self._tried} | self._too_large
        left = [case for case in cases if sizes.get(case.name, _LARGER_ELEMENTS + 1) <= _LARGER_ELEMENTS]
        return tuple(sorted(left, key=lambda case: sizes[case.name], reverse=True))

    def add(self, cases: tuple[Case, ...], seconds: float) -> None:
        """Try one after another, until enough were found or the time is over."""
        clock = Clock(seconds)
        for case in cases:
            if len(self.kept) == self.limits.cases:
                return
            if case.name in self.kept or ((self.kept or self.blurred) and clock.over()):
                continue
            self._tried.add(case.name)
            self._try(case)

    def _try(self, case: Case) -> None:
        try:
            reference = self._accepted(case)
        except ProblemRefusedError:
            raise
        except JudgeError as error:
            if not case.proposed:
                raise
            if isinstance(error, _BlurredError):
                self.blurred.setdefault(case.name, error.reference)
            self.dropped[case.name] = str(error)
            return
        looks = f"{[spec[:2] for spec in reference.inputs]} {reference.init} {case.layout}"
        if self._deciding and looks in self._shapes:
            return
        self._shapes.add(looks)
        self.kept[case.name] = reference

    def _accepted(self, case: Case) -> CaseReference:
        with little_time(case.name, self.limits.seconds):
            reference = CaseReference(self._problem, case)
            if not case.proposed:
                return reference
            self._check_size(case, reference.elements(), "inputs are")
            _check_weights(reference)
            outputs = sum(math.prod(shape) for shape in reference.signature().shapes)
            self._check_size(case, outputs, "output is")
            if self._deciding:
                _check_answer(reference, outputs)
            return reference

    def _check_size(self, case: Case, elements: int, what: str) -> None:
        if elements > self.limits.elements:
            self._too_large[case.name] = elements
            raise JudgeError(f"case {case.name}: its {what} too large for the interpreter")


def _check_answer(reference: CaseReference, outputs: int) -> None:
    name = reference.case.name
    if outputs == 0:
        raise JudgeError(f"case {name} has an empty output")
    reference.check_repeatable()
    with our_failure("fails on its own inputs"):
        inputs, state = reference.given(), new_state(reference)
        answer, rounded = reference.expected(inputs, state), reference.rounded(inputs, state)
    if not _mostly_finite(answer):
        raise JudgeError(f"case {name}: the answer is not finite")
    scales = reference.scale(inputs, answer, state)
    if any(_is_blurred(*parts) for parts in zip(rounded, answer, scales, strict=True)):
        raise _BlurredError(reference)


def _is_blurred(rounded: torch.Tensor, answer: torch.Tensor, scale: torch.Tensor) -> bool:
    """Tell whether the tolerance, which the reference's own error gives, would take half precision."""
    if not rounded.is_floating_point() or rounded.dtype.itemsize <= torch.half.itemsize:
        return False
    half = rounded.half().to(rounded.dtype)
    if torch.equal(half.nan_to_num(), rounded.nan_to_num()):
        return False
    return NOISE_FACTOR * noise(rounded, answer, scale) >= noise(half, answer, scale)


def _spread(cases: list[CaseReference]) -> list[CaseReference]:
    if len(cases) <= _MOST_CASES:
        return cases
    steps = [round(i * (len(cases) - 1) / (_MOST_CASES - 1)) for i in range(_MOST_CASES)]
    return [cases[step] for step in steps]


def _check_weights(reference: CaseReference) -> None:
    """Count them before they take memory, where the constructor works on meta tensors."""
    try:
        with torch.device("meta"):
            weights = sum(entry.tensor.numel() for entry in reference.state(0))
    except TooLongError:
        raise
    except JudgeError:
        return
    if weights > _MOST_WEIGHTS:
        raise JudgeError(f"the reference keeps {weights} weights, more than fit beside the judge")
    if weights > _MANY_WEIGHTS:
        reference.sketch()


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
