"""What `forward` does on the host that a stage may freeze: launches of kernels and operators of a library."""

from __future__ import annotations

from typing import NamedTuple

from eval.rules.allowed import METADATA, TENSOR_ATTRIBUTES, computes

ANY_NUMBER = 10**9
_FILLS = frozenset(
    {"zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
    | {"fill_", "zero_", "fill", "zero"}
)
_COPIES = frozenset({"clone", "copy_", "copy", "new_tensor", "narrow_copy", "view_copy"})
_MAYBE_COPIES = frozenset(
    {"contiguous", "reshape", "reshape_as", "flatten", "ravel", "to", "type", "type_as", "float", "double"}
    | {"half", "bfloat16", "int", "long", "short", "char", "byte", "bool", "cpu", "cuda", "_to_copy"}
)
_TWINS = {
    "concat": "cat", "concatenate": "cat", "hstack": "cat", "vstack": "cat", "constant_pad_nd": "pad",
    "fliplr": "flip", "flipud": "flip", "take_along_dim": "gather", "tile": "repeat",
}  # fmt: skip
"""Other names of an operator, and what calls others in torch itself."""
_FREE = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
    | {
        "split",
        "chunk",
        "tensor_split",
        "unbind",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "transpose",
        "swapaxes",
    }
    | {"swapdims", "t", "permute", "movedim", "moveaxis", "narrow", "select", "as_strided", "broadcast_to"}
    | {
        "broadcast_tensors",
        "detach",
        "view_as_real",
        "view_as_complex",
        "diagonal",
        "real",
        "imag",
        "adjoint",
    }
    | {"hsplit", "vsplit", "dsplit", "atleast_1d", "atleast_2d", "atleast_3d", "scalar_tensor", "tensor"}
    | {"view", "_unsafe_view", "_reshape_alias", "alias", "expand", "slice", "split_with_sizes", "unfold"}
    | {"unsafe_split", "as_tensor", "detach_", "lift_fresh", "_conj", "_neg_view", "resolve_conj"}
    | {"resolve_neg", "record_stream", "set_", "resize_", "is_same_size", "_local_scalar_dense", "sym_size"}
)
"""Allocation, views and metadata: no stage counts them."""
_MOVING_METHODS = frozenset(
    {"repeat", "tile", "repeat_interleave", "flip", "fliplr", "flipud", "roll", "rot90", "index_select"}
    | {"gather", "take_along_dim", "index_copy", "index_copy_", "select_scatter", "slice_scatter"}
)


class Event(NamedTuple):
    """One launch or operator on the way through `forward`, at least and at most so often."""

    kind: str
    """``launch`` or ``operator``."""
    name: str
    """Kernel, or family of the operator: fills and copies go by many names."""
    text: str = ""
    """The grid of a launch, the operands of an operator."""
    least: int = 1
    most: int = 1
    line: int = 1
    column: int = 0
    options: tuple[tuple[str, str], ...] = ()
    """Of a launch: what is given for compile-time parameters."""


def family(name: str) -> str | None:
    """Return what an operator of ATen or torch counts as; None for allocation, views and metadata."""
    if name in _FREE:
        return None
    if name in _FILLS:
        return "fill"
    if name in _COPIES or name in _MAYBE_COPIES:
        return "copy"
    return _TWINS.get(name, name)


def function_event(path: str, operands: str) -> Event | None:
    """Return the event of calling a function of torch; None for allocation, views and metadata."""
    leaf = path.rpartition(".")[2]
    name = path.removeprefix("torch.")
    if name in METADATA or leaf in _FREE or (leaf[:1].isupper() and "functional" not in path):
        return None
    found = family(leaf)
    if found is None:
        return None
    return Event("operator", found, operands, least=int(leaf not in _MAYBE_COPIES))


def method_event(name: str, operands: str) -> Event | None:
    """Return the event of calling a method, if it is a tensor's and moves or computes."""
    if name in _MAYBE_COPIES:
        return Event("operator", "copy", operands, least=0)
    known = name in _FILLS or name in _COPIES or name in _MOVING_METHODS
    if known or (name not in TENSOR_ATTRIBUTES and computes(name)):
        return Event("operator", str(family(name)), operands, least=int(name not in {"add", "sort"}))
    return None
