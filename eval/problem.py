"""A problem as the judge sees it. Nothing here imports torch."""

from __future__ import annotations

from typing import Any, Literal

from eval.base import Record


class Case(Record):
    """One set of sizes on which the candidate is called.

    The problem's module constants are replaced by `constants` before its `get_inputs` and
    `get_init_inputs` are called. A key such as ``literal 16`` stands for that number in these two.
    """

    name: str
    constants: dict[str, Any] = {}
    dtype: str | None = None
    """Replaces the dtype of every floating input, for example ``float16``."""
    layout: Literal["contiguous", "transposed", "strided"] = "contiguous"
    """Memory layout of the inputs; the values are the same."""
    proposed: bool = False
    """Made by rule: left out where the reference does not run on it. Of several with one name, the first
    that runs is taken."""


class SizeProfile(Record):
    """A named official case, so that smaller cards have a column of their own."""

    name: str
    constants: dict[str, Any] = {}
    memory_gb: float | None = None
    """Device memory in use at most, in 1e9 bytes; a hint for the message when it does not fit."""
    dtype: str | None = None
    """Replaces the dtype of every floating input and weight."""
    official: bool = False
    """Whether it counts where no size is asked for: with several such, speed-ups are their geometric mean.
    Where none is marked, the first is the official one."""


class Problem(Record):
    """A problem as the judge sees it: a reference, cases, and what counts as right."""

    name: str
    reference: str
    """Source text in KernelBench's format: `Model`, `get_inputs`, `get_init_inputs`."""
    sizes: tuple[SizeProfile, ...]
    cases: tuple[Case, ...]
    """Scaled cases of the official rank; they decide `passed`."""
    variants: tuple[Case, ...] = ()
    """Other ranks, dims, layouts and dtypes; they earn `robust` and decide nothing."""
    cpu_dtypes: tuple[str, ...] = ("float32",)
    min_bytes: dict[str, float] = {}
    """Bytes that no implementation can avoid moving, by size profile; the floor counts these, if given."""
    min_flops: dict[str, float] = {}
    """Floating-point operations that no implementation can avoid, by size profile; replaces the counted."""
    error_budget: dict[str, float] = {}
    """Tolerance by dtype, in units of eps(dtype) times the element's scale; replaces the default."""
    error_scale: str | None = None
    """Source text of a class `Scale`, built like `Model`: given the magnitudes of the inputs it returns
    what each element's error is measured against. None: the element's own magnitude, at least the mean."""
    tolerance: Literal["fixed", "measured"] = "fixed"
    """``measured``: where a dtype has no `error_budget`, it is the default one or eight times the error of
    the reference itself, run in that dtype on the contents of the call, whichever is more."""
    row_overlap: int | None = None
    """Set where the official output's rows [i, j) depend on rows [i, j + row_overlap) of every input alone
    (dimension 0), so that large outputs are compared in blocks of rows."""
    tf32: bool = False
    """Whether torch's own operators may round float32 to TF32, in the reference and the candidate alike."""
    hash: str
    """Hash of the normalised text of everything above."""
