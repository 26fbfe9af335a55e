"""Does a mutant still compute the same? Asked of Triton's interpreter without the judge or its cases.

Reads one candidate's code as a JSON string a line, answers one JSON object a line. Each candidate runs
in a process of its own on more sizes than the judge has: around each power of two and each multiple
of a block. Beside the values it sees stores outside of the kernel's arguments, programs that overwrite
each other's results (the grid is run backwards too), and memory that was never written.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"

import torch
from triton.runtime import autotuner, interpreter

SECONDS = 60
"""Of processor time, so that a busy machine changes no answer."""
SIZES = (
    1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1000, 1023, 1024, 1025,
    2048, 4096, 8193,
)  # fmt: skip
MANY_ROWS, LONG = 300, 2048
EPS_ALLOWED = 40.0
"""Errors in units of eps times the scan of the magnitudes; the unchanged candidates stay below 16."""


class Watch:
    """What the interpreter's kernels do that a result does not show."""

    def __init__(self) -> None:
        self.config, self.configs, self.backwards, self.atomics = 0, 1, False, False
        self.outside = False
        self._ranges: list[tuple[int, int]] = []
        self._install()

    def _install(self) -> None:
        builder, executor = interpreter.InterpreterBuilder, interpreter.GridExecutor
        self._after(executor, "_init_args_hst", self._note_arguments)
        self._before(builder, "create_masked_store", self._note_store)
        self._before(builder, "create_atomic_rmw", self._note_atomic)
        self._before(builder, "create_atomic_cas", self._note_atomic)
        set_index, watch = builder.set_grid_idx, self

        def set_grid_idx(one: Any, *at: int) -> None:
            ends = one.grid_dim
            set_index(one, *(n - 1 - i for i, n in zip(at, ends, strict=True)) if watch.backwards else at)

        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            watch.configs = max(watch.configs, len(tuner.configs))
            chosen = tuner.configs[watch.config % len(tuner.configs)]
            return tuner.fn.run(*args, **{**kwargs, **chosen.all_kwargs()})

        builder.set_grid_idx, autotuner.Autotuner.run = set_grid_idx, run

    @staticmethod
    def _before(owner: Any, name: str, act: Any) -> None:
        original = getattr(owner, name)

        def method(one: Any, *args: Any, **kwargs: Any) -> Any:
            act(*args)
            return original(one, *args, **kwargs)

        setattr(owner, name, method)

    @staticmethod
    def _after(owner: Any, name: str, act: Any) -> None:
        original = getattr(owner, name)

        def method(one: Any, *args: Any) -> Any:
            result = original(one, *args)
            act(*args)
            return result

        setattr(owner, name, method)

    def _note_arguments(self, args: Any, kwargs: Any) -> None:
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
        storages = [t.untyped_storage() for t in tensors]
        self._ranges = [(s.data_ptr(), s.data_ptr() + s.nbytes()) for s in storages]

    def _note_store(self, pointers: Any, value: Any, mask: Any, *_rest: Any) -> None:
        where = pointers.data[mask.data.astype(bool)]
        inside = sum(((where >= a) & (where < b)) for a, b in self._ranges)
        if where.size and (inside == 0).any():
            self.outside = True
            raise IndexError("not stored: this process's memory would change with luck")

    def _note_atomic(self, *_args: Any) -> None:
        self.atomics = True


def contents(rows: int, size: int, turn: int) -> torch.Tensor:
    """Uniform, normal, or normal with magnitudes from 1e-6 to 1e6."""
    x = torch.rand(rows, size) if turn % 3 == 0 else torch.randn(rows, size)
    return x * 10 ** torch.empty(rows, size).uniform_(-6, 6) if turn % 3 == 2 else x


def difference(model: Any, x: torch.Tensor) -> str | None:
    """Say what is wrong with the answer for `x`; None when nothing is."""
    kept, given = x.clone(), x.clone()
    got = model(given)
    expected = torch.nn.functional.pad(x[:-1].double().cumsum(1), (1, 0))
    scale = torch.nn.functional.pad(x[:-1].double().abs(), (0, 1)).cumsum(1)
    if tuple(got.shape) != tuple(expected.shape) or got.dtype != torch.float32:
        return f"gives {got.dtype} {tuple(got.shape)}"
    if not torch.equal(given, kept):
        return "changes its input"
    errors = (got.double() - expected).abs() / (scale * torch.finfo(torch.float32).eps + 1e-37)
    worst = float(errors.nan_to_num(nan=float("inf")).max())
    return f"is wrong by {worst:.3g} eps" if worst > EPS_ALLOWED else None


def turns(watch: Watch) -> Iterator[torch.Tensor]:
    """Inputs in turn: many rows first, then each size with two configurations and in both orders."""
    yield contents(MANY_ROWS, 3, 0)
    for turn, size in enumerate(SIZES):
        for number in (0, 1):
            watch.config = (2 * turn + number) % watch.configs
            watch.backwards = number == 1 and not watch.atomics
            yield contents(2 if size >= LONG else 2 + turn % 3, size, turn + number)


def verdict(code: str, folder: str) -> str | None:
    """None for a candidate that computes the problem everywhere; otherwise what it does instead."""
    torch.use_deterministic_algorithms(True, warn_only=True)  # fills new memory with NaN
    watch, space = Watch(), {"__name__": "candidate"}
    path = Path(folder, "candidate.py")
    path.write_text(code)
    try:
        exec(compile(code, str(path), "exec"), space)
        model = space["ModelNew"](1)
        for x in turns(watch):
            try:
                wrong = difference(model, x)
            except Exception:
                if not watch.outside:
                    raise
                wrong = "stores outside of its arguments"
            if wrong is not None:
                how = ", programs from last to first" if watch.backwards else ""
                return f"{tuple(x.shape)}: {wrong}{how}"
    except Exception as error:  # noqa: BLE001 - a mutant may raise anything
        return f"raises {type(error).__name__}"
    return None


def in_a_child(code: str) -> str | None:
    read, write = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            os.write(write, json.dumps(verdict(code, folder)).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
    return json.loads(said) if said else "crashes or does not end"


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        sys.stdout.write(json.dumps({"changed": in_a_child(json.loads(line))}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
