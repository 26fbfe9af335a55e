"""The problem's reference: its sizes, its inputs' shapes, and what the right answer is.

The reference is trusted text, executed in the judge's process and nowhere near a candidate.
"""

from __future__ import annotations

import ast
import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge.faults import JudgeError
from eval.records import Case
from eval.tensors import dtype_name, torch_dtype

if TYPE_CHECKING:
    from eval.records import Problem


_FEW_ELEMENTS = 1 << 16
"""Meta tensors make torch import its compiler, which takes a second."""


class InputSpec(NamedTuple):
    """One argument of `forward`: a tensor to be filled, or a plain value."""

    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    value: Any = None


class Signature(NamedTuple):
    """What the right output looks like: structure, then shape and dtype of each part."""

    structure: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]


def patched_source(source: str, constants: dict[str, Any]) -> str:
    """Return `source` with the values of its module constants replaced.

    Raises:
        JudgeError: `source` is not Python or assigns no constant of that name.

    """
    with _our_failure("is not Python"):
        tree = ast.parse(source)
    missing = set(constants)
    for node in tree.body:
        for name in _assigned(node) & set(constants):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            value = constants[name]
            text = repr(tuple(value) if isinstance(value, list) else value)
            node.value = ast.parse(text, mode="eval").body
            missing.discard(name)
    if missing:
        raise JudgeError(f"the reference assigns no module constant {', '.join(sorted(missing))}")
    return ast.unparse(tree)


def _assigned(node: ast.stmt) -> set[str]:
    """Names of module constants that a statement gives one value."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def size_case(problem: Problem, size: str | None) -> Case:
    """Return the case of a size profile; None names the official one.

    Raises:
        JudgeError: the problem has no size of that name.

    """
    for profile in problem.sizes:
        if size in (None, profile.name):
            return Case(name=profile.name, constants=profile.constants)
    raise JudgeError(f"{problem.name} has no size {size!r}")


class CaseReference:
    """The reference at the sizes of one case."""

    def __init__(self, problem: Problem, case: Case) -> None:
        self.case = case
        self.source = patched_source(problem.reference, case.constants)
        self._space = _execute(self.source, problem.name)
        self._dtype = torch_dtype(case.dtype) if case.dtype else None
        with _our_failure("cannot make the arguments of its constructor"):
            self.init: list[Any] = list(self._space["get_init_inputs"]())
        self.inputs = tuple(self._spec(item) for item in self._meta_inputs())
        scale = problem.error_scale
        self._scale_space = _execute(scale, problem.name) if scale else None

    def _meta_inputs(self) -> list[Any]:
        with torch.device("meta"), _our_failure("cannot make its inputs on meta tensors"):
            return list(self._space["get_inputs"]())

    def _spec(self, item: Any) -> InputSpec:
        if not isinstance(item, torch.Tensor):
            return InputSpec(None, None, item)
        dtype = self._dtype if self._dtype and item.dtype.is_floating_point else item.dtype
        return InputSpec(tuple(item.shape), dtype)

    def float_dtypes(self) -> set[str]:
        """Names of the floating and complex dtypes that go in and come out."""
        dtypes = [spec.dtype for spec in self.inputs if spec.dtype is not None]
        return {
            dtype_name(dtype)
            for dtype in [*dtypes, *self.signature().dtypes]
            if dtype.is_floating_point or dtype.is_complex
        }

    def signature(self) -> Signature:
        """Structure, shapes and dtypes of the output, found on zeros, on meta tensors if it is large."""
        elements = sum(math.prod(spec.shape) for spec in self.inputs if spec.shape is not None)
        device = "cpu" if elements <= _FEW_ELEMENTS else "meta"
        with torch.no_grad(), torch.device(device), _our_failure(f"does not run on {device} tensors"):
            arguments = [
                torch.zeros(spec.shape, dtype=spec.dtype) if spec.shape is not None else spec.value
                for spec in self.inputs
            ]
            structure, parts = flatten(self._model().to(device)(*arguments))
        if not all(isinstance(part, torch.Tensor) for part in parts):
            raise JudgeError("the reference returns something beside tensors; that cannot be compared")
        return Signature(structure, tuple(tuple(p.shape) for p in parts), tuple(p.dtype for p in parts))

    def expected(self, inputs: list[Any]) -> list[torch.Tensor]:
        """Compute the right answer in float64 on the inputs' device."""
        with torch.no_grad():
            return flatten(self._model().double()(*[_double(item) for item in inputs]))[1]

    def scale(self, inputs: list[Any], expected: list[torch.Tensor]) -> list[torch.Tensor]:
        """Compute what each element's error is measured against, in float64, never negative."""
        if self._scale_space is None:
            return [_magnitude(part).clamp_min(_mean_magnitude(part)) for part in expected]
        with torch.no_grad():
            model = self._scale_space["Scale"](*self.init).double()
            magnitudes = [_magnitude(_double(i)) if isinstance(i, torch.Tensor) else i for i in inputs]
            return flatten(model(*magnitudes))[1]

    def _model(self) -> Any:
        return self._space["Model"](*self.init)


def _execute(source: str, name: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": f"reference_{name}"}
    with _our_failure(f"of {name} does not load"):
        exec(compile(source, f"<reference {name}>", "exec"), space)  # noqa: S102 - the problem's own trusted text
    return space


@contextlib.contextmanager
def _our_failure(what: str) -> Iterator[None]:
    """Turn whatever the reference raises into our own failure: it is trusted text."""
    try:
        yield
    except Exception as error:
        raise JudgeError(f"the reference {what}: {error!r}") from error


def _double(item: Any) -> Any:
    if isinstance(item, torch.Tensor) and item.is_floating_point():
        return item.double()
    if isinstance(item, torch.Tensor) and item.is_complex():
        return item.to(torch.complex128)
    return item


def _magnitude(part: torch.Tensor) -> torch.Tensor:
    """Absolute values in float64, of a bool its own."""
    return part.double() if part.dtype is torch.bool else part.abs().double()


def _mean_magnitude(part: torch.Tensor) -> torch.Tensor:
    return _magnitude(part).mean() if part.numel() else part.new_zeros((), dtype=torch.float64)


def flatten(result: Any) -> tuple[str, list[torch.Tensor]]:
    """Return structure and tensors of a reference's result, named as runners name them."""
    if isinstance(result, dict):
        return "dict:" + ",".join(str(key)[:40] for key in result), list(result.values())
    if isinstance(result, (tuple, list)):
        return ("tuple" if isinstance(result, tuple) else "list"), list(result)
    return "tensor", [result]


def describe(signature: Signature) -> str:
    """Put a signature into words."""
    parts = zip(signature.shapes, signature.dtypes, strict=True)
    return ", ".join(f"{dtype_name(dtype)} {list(shape)}" for shape, dtype in parts)
