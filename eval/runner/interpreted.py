"""Make Triton's interpreter show mistakes that a GPU would: races between programs, stores out of bounds.

Programs run one after another here, so that one which writes into its neighbour's results is put right
by the neighbour. Every second launch of a kernel therefore runs them from last to first, but not where
programs wait for each other: those use atomics or volatile loads, and would wait for ever. Where a program
waits for one that comes after it, as all do that meet at a barrier, that is said instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from eval.runner.bfloat16 import numbers
from eval.runner.launches import Launches
from eval.runner.provenance import Provenance

_PATIENCE = 1000
"""Looks at the same memory, one after another, that find it unchanged, until a program waits in vain."""
WAITS_IN_VAIN = "a program of {} waits for one that comes after it, where programs run one after another"


class WaitsInVainError(Exception):
    """A program waits for one that runs after it, or never."""


class Interpreted:
    """Follows the launches of interpreted kernels."""

    def __init__(self) -> None:
        self.provenance = Provenance()
        self.seen = Launches()
        self._launches: dict[str, int] = {}
        self._ordered: set[str] = set()
        self._kernel = ""
        self._backwards = False
        self._ranges: list[tuple[int, int]] | None = None
        self._looked_at: Any = None
        self._looks = 0

    def begin(self, kernel: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note whose launch comes, what memory it was given, and choose the order of its programs."""
        launches = self._launches[kernel] = self._launches.get(kernel, 0) + 1
        if launches == 1 and may_wait(function):
            self._ordered.add(kernel)
        self._looked_at = None
        self._kernel = kernel
        self._backwards = launches % 2 == 0 and kernel not in self._ordered
        self._ranges = []
        self.provenance.launch()
        for value in (*args, *kwargs.values()):
            self._add_memory(value)

    def _add_memory(self, value: Any) -> None:
        if isinstance(value, tuple):
            for part in value:
                self._add_memory(part)
            return
        tensor = getattr(value, "base", value)
        if isinstance(tensor, torch.Tensor) and self._ranges is not None:
            storage = tensor.untyped_storage()
            self._ranges.append((storage.data_ptr(), storage.data_ptr() + storage.nbytes()))

    def install(self, builder: Any) -> None:
        """Put this in front of the operations of the interpreter's `builder`, a class."""
        self._trace(builder)
        self._before(builder, "create_masked_store", self._check_store)
        self._before(builder, "create_masked_load", self._note_load)
        self._before(builder, "create_atomic_rmw", self._note_update)
        self._before(builder, "create_atomic_cas", self._note_exchange)
        self._before(builder, "create_int_to_ptr", self._note_address)
        choose = builder.set_grid_idx

        def set_grid_idx(one: Any, *at: int) -> None:
            ends = one.grid_dim
            self._looked_at = None
            choose(one, *(n - 1 - i for i, n in zip(at, ends, strict=True)) if self._backwards else at)

        builder.set_grid_idx = set_grid_idx

    @staticmethod
    def _before(builder: Any, name: str, act: Callable[..., None]) -> None:
        operation = getattr(builder, name)

        def method(one: Any, *args: Any, **kwargs: Any) -> Any:
            act(*args, **kwargs)
            return operation(one, *args, **kwargs)

        setattr(builder, name, method)

    def _trace(self, builder: Any) -> None:
        """Tell the provenance what kernels load and store, atomics included."""
        load, update = builder.create_masked_load, builder.create_atomic_rmw
        exchange, traced = builder.create_atomic_cas, self.provenance

        # One policy of caches from Triton 3.9 on, two before.
        policies = [None] * (len(inspect.signature(load).parameters) - 5)

        def masked_load(one: Any, pointers: Any, mask: Any, *args: Any, **kwargs: Any) -> Any:
            result = load(one, pointers, mask, *args, **kwargs)
            traced.loaded(numbers(result)[mask.data.astype(bool)])
            return result

        def atomic_rmw(one: Any, how: Any, pointers: Any, value: Any, mask: Any, *args: Any) -> Any:
            old = update(one, how, pointers, value, mask, *args)
            where = mask.data.astype(bool)
            new = load(one, pointers, mask, None, *policies, False)
            traced.loaded(numbers(old)[where])
            traced.stored(numbers(new)[where])
            if not np.array_equal(old.data[where], new.data[where]):
                self._looked_at = None
            return old

        def atomic_cas(one: Any, pointers: Any, expected: Any, value: Any, *args: Any) -> Any:
            traced.stored(numbers(value))
            old = exchange(one, pointers, expected, value, *args)
            if np.any(old.data == expected.data):
                self._looked_at = None
            return old

        builder.create_masked_load, builder.create_atomic_rmw = masked_load, atomic_rmw
        builder.create_atomic_cas = atomic_cas

    def _check_store(self, pointers: Any, value: Any, mask: Any, *_rest: Any, **_more: Any) -> None:
        self._looked_at = None
        self.provenance.stored(numbers(value)[mask.data.astype(bool)])
        if self._ranges is None:
            return
        where = pointers.data[mask.data.astype(bool)]
        inside = sum(((where >= low) & (where < high)) for low, high in self._ranges)
        if where.size and not (inside if isinstance(inside, int) else inside.all()):
            raise IndexError(
                f"illegal memory access: {self._kernel} stores outside of the tensors that it was given"
            )

    def _note_load(self, pointers: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("is_volatile") or args[-1] is True:
            self._look(pointers.data, 0)
        else:
            self._looked_at = None

    def _note_update(self, _how: Any, pointers: Any, value: Any, *_args: Any, **_kwargs: Any) -> None:
        self._look(pointers.data, value.data)

    def _note_exchange(self, pointers: Any, _expected: Any, value: Any, *_args: Any, **_kwargs: Any) -> None:
        self._look(pointers.data, value.data)

    def _look(self, *what: Any) -> None:
        """Note an operation by which programs may wait, and end one that has waited long enough."""
        self._ordered.add(self._kernel)
        last, self._looked_at = self._looked_at, what
        same = last is not None and all(map(np.array_equal, last, what))
        self._looks = self._looks + 1 if same else 0
        if self._looks > _PATIENCE:
            raise WaitsInVainError(WAITS_IN_VAIN.format(self._kernel))

    def _note_address(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop the checks of a kernel that makes pointers of numbers: nobody knows where they may point."""
        self._ranges = None


def may_wait(function: Any) -> bool:
    """Tell whether the text of a kernel, or of a function that it names, has what programs wait by."""
    pending, seen = [function], set[Any]()
    while pending:
        one = pending.pop()
        if one in seen or not inspect.isfunction(one):
            continue
        seen.add(one)
        try:
            text = inspect.getsource(one)
        except OSError:
            return True
        if "atomic" in text or "volatile" in text:
            return True
        named = (one.__globals__.get(name) for name in one.__code__.co_names)
        pending += [getattr(value, "fn", None) for value in named]
    return False
