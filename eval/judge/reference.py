"""The problem's reference: its sizes, its inputs' shapes, and what the right answer is.

The reference is trusted text, executed in the judge's process and nowhere near a candidate.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge.drawn import Origin, Watch
from eval.judge.faults import JudgeError, ProblemRefusedError
from eval.judge.model import ReferenceModel, Tensors, as_double, seeded
from eval.judge.source import our_failure
from eval.judge.source import patched_source as patched_source  # noqa: PLC0414 - handed on
from eval.plain import encode
from eval.records import Case
from eval.state import Entry, NoDropout, State
from eval.structure import flatten as flatten  # noqa: PLC0414 - handed on
from eval.tensors import dtype_name, torch_dtype

if TYPE_CHECKING:
    from eval.records import Problem


DRAWS_NUMBERS = "gives another answer each time: its output depends on random numbers drawn in forward"
_FEW_ELEMENTS = 1 << 16
"""Meta tensors make torch import its compiler, which takes a second."""


class InputSpec(NamedTuple):
    """One argument of `forward`: a tensor to be filled, or a plain value."""

    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    value: Any = None
    origin: Origin = Origin(free=True)

    @property
    def own(self) -> bool:
        """Tell whether only `get_inputs` itself can make contents that mean something."""
        return self.shape is not None and not self.origin.free and self.origin.bounds is None


class Signature(NamedTuple):
    """What the right output looks like: structure, then shape and dtype of each part."""

    structure: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]

    def elements(self) -> int:
        """Return how many elements all parts have together."""
        return sum(math.prod(shape) for shape in self.shapes)


def size_case(problem: Problem, size: str | None) -> Case:
    """Return the case of a size profile; None names the official one, of several the first.

    Raises:
        JudgeError: the problem has no size of that name.

    """
    for profile in sorted(problem.sizes, key=lambda one: not one.official):
        if size in (None, profile.name):
            return Case(name=profile.name, constants=profile.constants, dtype=profile.dtype)
    raise JudgeError(f"{problem.name} has no size {size!r}")


class CaseReference:
    """The reference at the sizes of one case."""

    def __init__(self, problem: Problem, case: Case) -> None:
        self.case = case
        self.source = patched_source(problem.reference, case.constants)
        self._space = _execute(self.source, problem.name)
        self._dtype = torch_dtype(case.dtype) if case.dtype else None
        with our_failure("cannot make the arguments of its constructor"):
            self.init: list[Any] = list(self._space["get_init_inputs"]())
            encode(self.init)
        self.inputs = self._specs()
        self._model = ReferenceModel(lambda: self._space["Model"](*self.init), self._dtype)
        scale = problem.error_scale
        self._scale_space = _execute(scale, problem.name) if scale else None
        self._signature: Signature | None = None
        self._wants_values = False
        self._answers: dict[str, bool] = {}

    def _specs(self) -> tuple[InputSpec, ...]:
        watch = Watch()
        with torch.device("meta"), _unchecked(), watch, our_failure("cannot make its inputs on meta tensors"):
            items = list(self._space["get_inputs"]())
        return tuple(self._spec(item, watch) for item in items)

    def _spec(self, item: Any, watch: Watch) -> InputSpec:
        if not isinstance(item, torch.Tensor):
            with our_failure("has an input that is neither a tensor nor a plain value"):
                encode(item)
            return InputSpec(None, None, item)
        return InputSpec(tuple(item.shape), self._cast(item.dtype), origin=watch.of(item))

    def _cast(self, dtype: torch.dtype) -> torch.dtype:
        return self._dtype if self._dtype and dtype.is_floating_point else dtype

    def given(self, device: torch.device | str = "cpu") -> list[Any]:
        """Return what `get_inputs` makes under a private seed, floating tensors in the case's dtype."""
        with seeded(), torch.device(device), our_failure("cannot make its inputs"):
            items = list(self._space["get_inputs"]())
        return [
            item.detach().to(device, self._cast(item.dtype)) if isinstance(item, torch.Tensor) else item
            for item in items
        ]

    def float_dtypes(self) -> set[str]:
        """Names of the floating and complex dtypes that go in and come out."""
        dtypes = [spec.dtype for spec in self.inputs if spec.dtype is not None]
        return {
            dtype_name(dtype)
            for dtype in [*dtypes, *self.signature().dtypes]
            if dtype.is_floating_point or dtype.is_complex
        }

    def elements(self) -> int:
        """Elements of all inputs together."""
        return sum(math.prod(spec.shape) for spec in self.inputs if spec.shape is not None)

    def signature(self) -> Signature:
        """Structure, shapes and dtypes of the output, found on zeros, on meta tensors if it is large."""
        if self._signature is None:
            self._signature = self.find_signature()
        return self._signature

    def sketch(self) -> None:
        """Find the signature on meta tensors, which takes no time; nothing where that needs their values.

        Raises:
            JudgeError: the reference does not run on these sizes.

        """
        try:
            self._signature = self._signature_on("meta")
        except JudgeError as error:
            if not _wants_values(error):
                raise

    def find_signature(self) -> Signature:
        """Run the reference once to see what comes out; `signature` remembers it."""
        if self.elements() <= _FEW_ELEMENTS:
            return self._signature_on("cpu", given=any(spec.own for spec in self.inputs))
        if not self._wants_values:
            try:
                return self._signature_on("meta")
            except JudgeError as error:
                if not _wants_values(error):
                    raise
                self._wants_values = True
        device = "cuda" if torch.cuda.is_available() else "cpu"
        found = self._signature_on(device, given=True)
        if self._signature is None and self._signature_on(device) != found:
            raise JudgeError("the reference gives outputs of another shape for other values")
        return found

    def _signature_on(self, device: str, *, given: bool = False) -> Signature:
        with torch.no_grad(), torch.device(device), our_failure(f"does not run on {device} tensors"):
            arguments = [
                torch.zeros(spec.shape, dtype=spec.dtype) if spec.shape is not None else spec.value
                for spec in self.inputs
            ]
            if given:
                arguments = self.given(device)
            model = self._model.build()
            with NoDropout():
                structure, parts = flatten((model if device == "cpu" else model.to(device))(*arguments))
        if not all(isinstance(part, torch.Tensor) for part in parts):
            raise JudgeError("the reference returns something beside tensors; that cannot be compared")
        return Signature(structure, tuple(tuple(p.shape) for p in parts), tuple(p.dtype for p in parts))

    def state(self, seed: int) -> list[Entry]:
        """Return the tensors that a module constructed under `seed` keeps, in the case's dtype."""
        from eval.state import entries, registration_order

        with our_failure("cannot be constructed"), registration_order() as order:
            return entries(self._model.build(seed), order=order)

    def keeps(self) -> list[Entry]:
        """Return which tensors any instance keeps; their contents are of no meaning."""
        with our_failure("cannot be constructed"):
            return self._model.entries()

    def expected(self, inputs: list[Any], state: Tensors | None = None) -> list[torch.Tensor]:
        """Compute the right answer in float64 on the inputs' device, from the state that is given."""
        return self._model.run(inputs, state, double=True)[1]

    def rounded(self, inputs: list[Any], state: Tensors | None = None) -> list[torch.Tensor]:
        """Compute it as the reference itself would, in the dtype of the case."""
        return self._model.run(inputs, state, double=False)[1]

    @cached_property
    def stateful(self) -> bool:
        """Tell whether an answer depends on the calls before it, as that of a kept hidden state does.

        Raises:
            JudgeError: it depends on random numbers that `forward` draws, so that nobody can agree with it.

        """
        if self.elements() > _FEW_ELEMENTS:
            return any(entry.kind == "attribute" for entry in self.keeps())
        return self._probe() if self.keeps() else False

    def _probe(self) -> bool:
        with our_failure("fails on its own inputs"):
            verdict = self._model.repeats(self.given())
        if verdict == "random":
            raise ProblemRefusedError(f"the reference {DRAWS_NUMBERS}")
        return verdict == "stateful"

    def remembered(self, question: str, answer: Callable[[], bool]) -> bool:
        """Return what `answer` says, and remember it."""
        if question not in self._answers:
            self._answers[question] = answer()
        return self._answers[question]

    def check_repeatable(self) -> None:
        """Refuse a reference whose output depends on global random state.

        Raises:
            JudgeError: it does.

        """
        self.stateful = self._probe()

    def scale(
        self, inputs: list[Any], expected: list[torch.Tensor], state: Tensors | None = None
    ) -> list[torch.Tensor]:
        """Compute what each element's error is measured against, in float64, never negative."""
        if self._scale_space is None:
            return [_magnitude(part).clamp_min(_mean_magnitude(part)) for part in expected]
        with torch.no_grad():
            model = self._scale_space["Scale"](*self.init)
            if state:
                _write_magnitudes(State(model), state)
            device = next((part.device for part in expected), torch.device("cpu"))
            model = model.to(device).double()
            taken = as_double if getattr(model, "signed", False) else _double_magnitude
            with our_failure("has an error_scale.py that fails"):
                return flatten(model(*(taken(i) if isinstance(i, torch.Tensor) else i for i in inputs)))[1]


def _wants_values(error: JudgeError) -> bool:
    """Tell whether something failed only since meta tensors have no values."""
    return "meta" in repr(error.__cause__)


@contextlib.contextmanager
def _unchecked() -> Iterator[None]:
    """Let distributions take their arguments as they are: meta tensors have no values to check."""
    before = torch.distributions.Distribution._validate_args  # noqa: SLF001 - there is no other way to ask
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        torch.distributions.Distribution.set_default_validate_args(before)


def _execute(source: str, name: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": f"reference_{name}"}
    with our_failure(f"of {name} does not load"):
        code = compile(source, f"<reference {name}>", "exec")
        try:
            exec(code, space)  # noqa: S102 - the problem's own trusted text
        except ModuleNotFoundError as error:
            raise ProblemRefusedError(
                f"the reference needs the package {error.name}: pip install {error.name}"
            ) from error
    return space


def _write_magnitudes(writer: State, state: Tensors) -> None:
    for name, values in state.items():
        if not writer.missing([{"name": name, "shape": list(values.shape)}]):
            writer.write(name, 0, _magnitude(values).reshape(-1).to(values.device))


def _magnitude(part: torch.Tensor) -> torch.Tensor:
    """Absolute values in float64, of a bool its own."""
    return part.double() if part.dtype is torch.bool else part.abs().double()


def _double_magnitude(part: torch.Tensor) -> torch.Tensor:
    """Return the same with one copy alone: inputs may be as large as a card allows."""
    double = as_double(part)
    return double.abs_() if double is not part and not double.is_complex() else _magnitude(double)


def _mean_magnitude(part: torch.Tensor) -> torch.Tensor:
    return _magnitude(part).mean() if part.numel() else part.new_zeros((), dtype=torch.float64)


def describe(signature: Signature) -> str:
    """Put a signature into words."""
    parts = zip(signature.shapes, signature.dtypes, strict=True)
    return ", ".join(f"{dtype_name(dtype)} {list(shape)}" for shape, dtype in parts)
