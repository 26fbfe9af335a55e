"""What was loaded before the candidate must be what is loaded after it: no function of ours replaced.

It looks at functions and classes by identity, in the modules that the audits rest on. A candidate that
undoes its patches before it is looked at is not seen; the static rules refuse patches of any kind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_PACKAGES = ("eval.", "triton.")
_MODULES = (
    "builtins", "json", "os", "socket", "torch", "torch.overrides", "torch.utils._python_dispatch", "triton",
)  # fmt: skip
_CLASSES_OF = ("eval.", "triton.runtime.", "torch.utils._python_dispatch")
_PATCHED = "triton.language"
"""The interpreter itself replaces functions here, in every launch."""


class TamperedError(Exception):
    """A function that the runner works with is another one now."""


class Seal:
    """The functions and classes of the modules that are loaded now."""

    def __init__(self) -> None:
        self._places = list(_places())
        self._held = [dict(_functions(place)) for place in self._places]

    def check(self) -> None:
        """Compare with what they are by now.

        Raises:
            TamperedError: one is missing, or stands for something else.

        """
        for place, held in zip(self._places, self._held, strict=True):
            now = vars(place)
            for name, function in held.items():
                if now.get(name) is not function:
                    what = f"{place.__name__}.{name}"
                    raise TamperedError(f"{what} was replaced: leave what is loaded as it is")


def _places() -> Iterator[Any]:
    modules = [(name, module) for name, module in sys.modules.items() if isinstance(module, ModuleType)]
    for name, module in modules:
        if (name.startswith(_PACKAGES) and not name.startswith(_PATCHED)) or name in _MODULES:
            yield module
        if name.startswith(_CLASSES_OF):
            yield from (value for value in vars(module).values() if _is_class_of(value, name))


def _is_class_of(value: Any, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module


def _functions(place: Any) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in list(vars(place).items()) if callable(value))
