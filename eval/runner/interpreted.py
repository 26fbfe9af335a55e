"""Make Triton's interpreter show mistakes that a GPU would: races between programs, stores out of bounds.

Programs run one after another here, so that one which writes into its neighbour's results is put right
by the neighbour. Every second launch of a kernel therefore runs them from last to first, but not where
programs wait for each other: those use atomics or volatile loads, and would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from eval.runner.bfloat16 import numbers
from eval.runner.provenance import Provenance


class Interpreted:
    """Follows the launches of interpreted kernels."""

    def __init__(self) -> None:
        self.provenance = Provenance()
        self._launches: dict[str, int] = {}
        self._ordered: set[str] = set()
        self._kernel = ""
        self._backwards = False
        self._ranges: list[tuple[int, int]] | None = None

    def begin(self, kernel: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note whose launch comes, what memory it was given, and choose the order of its programs."""
        launches = self._launches[kernel] = self._launches.get(kernel, 0) + 1
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
        self._before(builder, "create_masked_store", self._check_store)
        self._before(builder, "create_masked_load", self._note_load)
        self._before(builder, "create_atomic_rmw", self._note_order)
        self._before(builder, "create_atomic_cas", self._note_order)
        self._before(builder, "create_int_to_ptr", self._note_address)
        self._trace(builder)
        choose = builder.set_grid_idx

        def set_grid_idx(one: Any, *at: int) -> None:
            ends = one.grid_dim
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

        def masked_load(one: Any, pointers: Any, mask: Any, *args: Any, **kwargs: Any) -> Any:
            result = load(one, pointers, mask, *args, **kwargs)
            traced.loaded(numbers(result)[mask.data.astype(bool)])
            return result

        def atomic_rmw(one: Any, how: Any, pointers: Any, value: Any, mask: Any, *args: Any) -> Any:
            old = update(one, how, pointers, value, mask, *args)
            where = mask.data.astype(bool)
            traced.loaded(numbers(old)[where])
            traced.stored(numbers(load(one, pointers, mask, None, None, False))[where])
            return old

        def atomic_cas(one: Any, pointers: Any, expected: Any, value: Any, *args: Any) -> Any:
            traced.stored(numbers(value))
            return exchange(one, pointers, expected, value, *args)

        builder.create_masked_load, builder.create_atomic_rmw = masked_load, atomic_rmw
        builder.create_atomic_cas = atomic_cas

    def _check_store(self, pointers: Any, value: Any, mask: Any, *_rest: Any, **_more: Any) -> None:
        self.provenance.stored(numbers(value)[mask.data.astype(bool)])
        if self._ranges is None:
            return
        where = pointers.data[mask.data.astype(bool)]
        inside = sum(((where >= low) & (where < high)) for low, high in self._ranges)
        if where.size and not (inside if isinstance(inside, int) else inside.all()):
            raise IndexError(
                f"illegal memory access: {self._kernel} stores outside of the tensors that it was given"
            )

    def _note_load(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("is_volatile") or args[-1] is True:
            self._note_order()

    def _note_order(self, *_args: Any, **_kwargs: Any) -> None:
        self._ordered.add(self._kernel)

    def _note_address(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop the checks of a kernel that makes pointers of numbers: nobody knows where they may point."""
        self._ranges = None
