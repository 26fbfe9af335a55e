"""The reference's module: made once, copied for every run, with the state that a call is to find."""

from __future__ import annotations

import contextlib
import copy
import random
import secrets
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch

from eval.state import Entry, NoDropout, State, entries, still_dropouts
from eval.structure import flatten

Tensors = dict[str, torch.Tensor]
_PLAIN = frozenset({bool, int, float, str, type(None)})
_CONTAINERS = frozenset({dict, OrderedDict, list, set})


@contextlib.contextmanager
def seeded(seed: int | None = None) -> Iterator[None]:
    """Seed what constructors and `get_inputs` may draw from; a private seed where none is given."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(secrets.randbits(63) if seed is None else seed)
        random.seed(secrets.randbits(63) if seed is None else seed)
        yield
    random.seed()


class ReferenceModel:
    """Runs the reference from the same state each time, whatever its `forward` leaves behind."""

    def __init__(self, make: Callable[[], Any], dtype: torch.dtype | None) -> None:
        """`make` constructs the module; `dtype` replaces that of its floating tensors."""
        self._make, self._dtype = make, dtype
        self._seed = secrets.randbits(63)
        self._first: Any = None
        self._native = False

    def build(self, seed: int | None = None) -> Any:
        """Construct a new one on the current device, dropout off."""
        with seeded(seed), torch.no_grad():
            model = self._make()
        still_dropouts(model)
        return model.to(self._dtype) if self._dtype is not None else model

    def _copied(self) -> Any:
        if self._first is None:
            self._first = self.build(self._seed)
        if _holds_closures(self._first):
            return self.build(self._seed)
        twin = _twin_of_plain(self._first)
        if twin is not None:
            return twin
        with torch.no_grad():
            return copy.deepcopy(self._first)

    def entries(self) -> list[Entry]:
        """Return the tensors that a new one keeps; their contents are of no meaning."""
        if self._first is None:
            self._first = self.build(self._seed)
        return entries(self._first)

    def run(self, inputs: list[Any], state: Tensors | None, *, double: bool) -> tuple[str, list[Any]]:
        """Call it once on copies of `inputs`, in float64 where it can compute in that.

        `state` replaces its tensors by name. A reference that fixes a dtype of its own, so that it
        raises in float64, is run in the dtype of the problem.
        """
        self.entries()  # constructed before the default dtype changes
        if double and not self._native:
            try:
                with _default_dtype(torch.float64):
                    return self._called(inputs, state, double=True)
            except (RuntimeError, TypeError, NotImplementedError, ValueError):
                self._native = True
        return self._called(inputs, state, double=False)

    def repeats(self, inputs: list[Any]) -> Literal["same", "stateful", "random"]:
        """Call copies under two seeds, and one of them twice, and say on what the answer depends."""
        answers = []
        for seed in (1, 2):
            model = self._copied()
            with seeded(seed), torch.no_grad(), NoDropout():
                answers.append(flatten(model(*[_copy_of(item, double=False) for item in inputs]))[1])
        if not _alike(*answers):
            return "random"
        with torch.no_grad(), NoDropout():
            again = flatten(model(*[_copy_of(item, double=False) for item in inputs]))[1]
        return "same" if _alike(answers[0], again) else "stateful"

    def _called(self, inputs: list[Any], state: Tensors | None, *, double: bool) -> tuple[str, list[Any]]:
        device = next((item.device for item in inputs if isinstance(item, torch.Tensor)), torch.device("cpu"))
        model = self._copied()
        if isinstance(model, torch.nn.Module):
            model = model.to(device)
        if state:
            writer = State(model)
            for name, values in state.items():
                writer.write(name, 0, values.reshape(-1))
        if isinstance(model, torch.nn.Module) and double:
            model = model.double()
            _double_attributes(model)
        with torch.no_grad(), NoDropout():
            return flatten(model(*[_copy_of(item, double=double) for item in inputs]))


def _holds_closures(model: Any) -> bool:
    """Tell whether a copy would share code with the original that speaks of the original's own tensors."""
    modules = model.modules() if isinstance(model, torch.nn.Module) else [model]
    return any(
        isinstance(value, types.FunctionType) and value.__closure__ is not None
        for module in modules
        for value in vars(module).values()
    )


def _twin_of_plain(model: Any) -> Any:
    """Copy a module that keeps numbers and names alone, in an eighth of the time; None for others."""
    if not isinstance(model, torch.nn.Module):
        return None
    others = {name: one for name, one in vars(model).items() if type(one) not in _PLAIN}
    empty = all(type(one) in _CONTAINERS and not one for one in others.values())
    if not empty or len(set(map(id, others.values()))) < len(others):  # two names of one container
        return None
    twin = copy.copy(model)
    vars(twin).update({name: type(one)() for name, one in others.items()})
    return twin


def _double_attributes(model: torch.nn.Module) -> None:
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                setattr(module, name, value.double())


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _alike(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        and a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )  # fmt: skip


def _copy_of(item: Any, *, double: bool) -> Any:
    """Return a tensor of its own, since references may write into their inputs."""
    if not isinstance(item, torch.Tensor):
        return item
    made = as_double(item) if double else item
    return made.clone() if made is item else made


def as_double(item: torch.Tensor) -> torch.Tensor:
    """Return floating and complex tensors in double precision, others as they are."""
    if item.is_floating_point():
        return item.double()
    return item.to(torch.complex128) if item.is_complex() else item
