"""Whether a framework is here and new enough, said in a sentence that ends with what to install."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from harness.errors import EnvironmentFailure


def require(package: str, least: str, extra: str, *, below: str | None = None) -> None:
    """Go on where a package of version `least` or newer is installed, and older than `below`.

    Raises `EnvironmentFailure`: it is not, with the extra of this distribution that brings it.
    """
    install = f"pip install 'kernel-harness[{extra}]'"
    try:
        found = version(package)
    except PackageNotFoundError:
        raise EnvironmentFailure(f"{package} is not installed: {install}") from None
    if _numbers(found) < _numbers(least):
        raise EnvironmentFailure(f"{package} {found} is too old, {least} is needed: {install}")
    if below is not None and _numbers(found) >= _numbers(below):
        raise EnvironmentFailure(f"{package} {found} is too new, one before {below} is needed: {install}")


def _numbers(text: str) -> tuple[int, ...]:
    """Return the release of a version, without what follows it."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
