"""Take apart whatever a `forward` returned: tensors in order, and a word for what held them.

Judge and runner share it, so that both name a structure alike.
"""

from __future__ import annotations

from typing import Any

_MOST = 64
_KEY_CHARS = 40


def flatten(result: Any) -> tuple[str, list[Any]]:
    """Return the structure and its leaves, the first 64 of each container.

    The structure is ``tensor``, ``tuple``, ``list`` or ``dict:a,b``; one that holds containers or
    None says in brackets what each part is: ``tuple[tensor,tuple]``. None is no leaf.
    """
    if not isinstance(result, (tuple, list, dict)):
        return "tensor", [result]
    values = list(result.values() if isinstance(result, dict) else result)[:_MOST]
    parts = [("none", []) if value is None else flatten(value) for value in values]
    leaves = [leaf for _, inner in parts for leaf in inner]
    kind = _kind(result)
    if any(name != "tensor" for name, _ in parts):
        kind += f"[{';'.join(name for name, _ in parts)}]"
    return kind, leaves[:_MOST]


def _kind(container: Any) -> str:
    if isinstance(container, dict):
        return "dict:" + ",".join(str(key)[:_KEY_CHARS] for key in list(container)[:_MOST])
    return "tuple" if isinstance(container, tuple) else "list"
