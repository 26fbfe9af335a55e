"""What was loaded before the candidate must be what is loaded after it: no function of ours replaced.

It looks at functions and classes by identity, in the modules that the audits rest on. A candidate that
undoes its patches before it is looked at is not seen; the static rules refuse patches of any kind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from operator import is_
from types import ModuleType
from typing import Any, NamedTuple

_PACKAGES = ("eval.", "triton.")
_MODULES = (
    "builtins", "json", "os", "socket", "torch", "torch.overrides", "torch.utils._python_dispatch", "triton",
)  # fmt: skip
_CLASSES_OF = ("eval.", "triton.runtime.", "torch.utils._python_dispatch")
_LANGUAGES = "triton.language", "triton.experimental.gluon.language"
"""What kernels are written in: no audit rests on it. The interpreter itself replaces functions of the first,
in every launch."""


class TamperedError(Exception):
    """A function that the runner works with is another one now."""


class _Held(NamedTuple):
    """What one module or class held when it was looked at first."""

    place: Any
    names: tuple[str, ...]
    functions: tuple[Any, ...]


class Seal:
    """The functions and classes of the modules that are loaded now."""

    def __init__(self) -> None:
        self._held = [
            _Held(place, tuple(held), tuple(held.values()))
            for place, held in ((place, dict(_functions(place))) for place in _places())
            if held
        ]

    def check(self) -> None:
        """Compare with what they are by now.

        Raises:
            TamperedError: one is missing, or stands for something else.

        """
        for place, names, functions in self._held:
            found = map(vars(place).get, names)
            if not all(map(is_, found, functions)):
                now = vars(place)
                other = next(n for n, held in zip(names, functions, strict=True) if now.get(n) is not held)
                what = f"{place.__name__}.{other}"
                raise TamperedError(f"{what} was replaced: leave what is loaded as it is")


def _places() -> Iterator[Any]:
    modules = [(name, module) for name, module in sys.modules.items() if isinstance(module, ModuleType)]
    for name, module in modules:
        if (name.startswith(_PACKAGES) and not name.startswith(_LANGUAGES)) or name in _MODULES:
            yield module
        if name.startswith(_CLASSES_OF):
            yield from (value for value in vars(module).values() if _is_class_of(value, name))


def _is_class_of(value: Any, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module


def _functions(place: Any) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in list(vars(place).items()) if callable(value))
