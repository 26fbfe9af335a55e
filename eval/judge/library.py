"""Which library operators move data, and which compute."""

from __future__ import annotations

import re

from eval.stage.events import family

_MOVES = frozenset(
    """
    empty empty_like empty_strided empty_permuted new_empty new_empty_strided new_zeros new_ones new_full
    zeros zeros_like ones ones_like full full_like fill fill_ zero_ scalar_tensor arange eye
    linspace view _unsafe_view reshape _reshape_alias as_strided expand expand_as permute transpose t numpy_T
    movedim moveaxis squeeze unsqueeze squeeze_ unsqueeze_ select slice narrow split split_with_sizes chunk
    unbind unfold diagonal alias detach detach_ view_as_real view_as_complex unsafe_split
    clone copy copy_ _to_copy to contiguous cat stack hstack vstack pad constant_pad_nd
    flip roll repeat repeat_interleave index index_select index_copy index_copy_ gather slice_scatter
    select_scatter resize_ set_ lift lift_fresh lift_fresh_copy pin_memory _local_scalar_dense item
    is_same_size sym_size sym_stride sym_numel sym_storage_offset stride size numel is_pinned record_stream
    _pin_memory resolve_conj resolve_neg _conj _neg_view conj
    """.split()  # noqa: SIM905 - a table reads better than a list of strings
)
_MIXES = re.compile(r"^aten\.linspace\.\w*Tensor")
"""Between the contents of tensors it computes; between numbers it fills a table."""
_NAME = re.compile(r"^(?:aten|prim|prims)\.([A-Za-z0-9_]+)")


def compute_operators(operators: dict[str, int]) -> list[str]:
    """Return the operators that do more than allocate, view or move; unknown ones count as computing."""
    return sorted(name for name in operators if operator_name(name) not in _MOVES or _MIXES.match(name))


def operator_name(full: str) -> str | None:
    """Return ``cat`` for ``aten.cat.default``; None for what is no operator of torch's own."""
    match = _NAME.match(full)
    return match.group(1) if match is not None else None


def operator_families(operators: dict[str, int]) -> dict[str, int]:
    """Return calls by family; allocation and views are no matter of a stage."""
    counts: dict[str, int] = {}
    for full, count in operators.items():
        name = family(operator_name(full) or full)
        if name is not None:
            counts[name] = counts.get(name, 0) + count
    return counts
