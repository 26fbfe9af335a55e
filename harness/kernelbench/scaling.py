"""Sets of constants that a file is judged with beside its own: proposed here, tried by the judge.

How a file's constants hang together is not known, so several ways of making them small are proposed.
Equal numbers stay equal, numbers up to 8 (widths of a window, numbers of heads) stay as they are, and
then single numbers become odd; or the model stays as large as it is and its inputs become small. The judge
keeps what the reference runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from eval.records import Case
from harness.kernelbench.text import Reference

_STAYS = 8
_CAPS = (16, 8, 32, 64)
_HALVINGS = range(1, 24)
_LARGEST, _SMALLEST = 128, 2
_PRIMES = ((5, 7, 11, 13, 17, 19, 23, 29), (17, 31, 37, 41, 43, 47, 53, 59), (3, 3, 3, 3, 3, 3, 3, 3))
_ODD = (1, 3, 7, 13, 33, 65, 127)
_ODD_EACH = 3
_BATCHES = (1, 2, 3)
_INPUT_CAPS = (3, 4, 5, 7, 16, 32, 48, 64)
_MOST_NAME_CHARS = 72
_DTYPES = ("float64", "float16", "bfloat16")
_LAYOUTS = ("transposed", "strided")
_BASES = 5
_MOST_PLACES = 6
_LITERAL = "literal "
_DIMS = ("dim", "axis")

Constants = Mapping[str, Any]


def scaled_cases(reference: Reference) -> tuple[Case, ...]:
    """Return proposals for the cases that decide, the official sizes themselves last."""
    own = _all_constants(reference)
    made = [*_in_primes(own), *_one_odd(own), *_smaller(own), *_as_built(own, reference.built_with), {}]
    return _named(made)


def variants(reference: Reference) -> tuple[Case, ...]:
    """Return proposals for the mark `robust`: other dtypes, layouts, sizes of 1 and 0, dims and arguments.

    Several have one name, on different sizes: the first that runs is taken.
    """
    own = _all_constants(reference)
    bases = list({repr(base): base for base in [*_in_primes(own), *_smaller(own)]}.values())
    bases = [*bases[: _BASES - 1], {}]
    forms = [(dtype, {"dtype": dtype}) for dtype in _DTYPES]
    forms += [(layout, {"layout": layout}) for layout in _LAYOUTS]
    made = [
        Case.model_validate({"name": name, "constants": base, "proposed": True, **form})
        for name, form in forms
        for base in bases
    ]
    for name, place, new, shown in _changes(reference, own):
        made += [
            Case(
                name=shown,
                constants={**base, name: _put(base.get(name, own.get(name)), place, new)},
                proposed=True,
            )
            for base in bases
        ]
    return tuple(made)


def _all_constants(reference: Reference) -> dict[str, Any]:
    literals = {f"{_LITERAL}{number}": number for number in reference.literals}
    return {**{name: value for name, value in reference.constants.items() if _numbers(value)}, **literals}


def _numbers(value: Any) -> list[int]:
    if type(value) is int:
        return [value]
    return [n for item in value for n in _numbers(item)] if isinstance(value, tuple | list) else []


def _mapped(value: Any, change: Callable[[int], int]) -> Any:
    if type(value) is int:
        return change(value)
    if isinstance(value, tuple | list):
        return [_mapped(item, change) for item in value]
    return value


def _applied(own: Constants, change: Callable[[int], int]) -> dict[str, Any]:
    changed = {name: _mapped(value, change) for name, value in own.items()}
    return {name: new for name, new in changed.items() if _numbers(new) != _numbers(own[name])}


def _large(own: Constants) -> list[int]:
    return sorted({n for value in own.values() for n in _numbers(value) if n > _STAYS})


def _in_primes(own: Constants) -> Iterator[dict[str, Any]]:
    """Let every large number become a prime, the larger the larger."""
    large = _large(own)
    for primes in _PRIMES:
        ranked = {n: primes[min(rank, len(primes) - 1)] for rank, n in enumerate(large)}
        yield _applied(own, partial(_ranked, ranked))


def _smaller(own: Constants) -> Iterator[dict[str, Any]]:
    """Halve every large number equally often, or each until it is below a bound."""
    large = _large(own)
    for cap in _CAPS:
        yield _applied(own, partial(_capped, cap))
    for times in _HALVINGS:
        if large and _SMALLEST <= large[-1] >> times <= _LARGEST:
            yield _applied(own, partial(_halved, times))


def _as_built(own: Constants, built_with: Collection[str]) -> Iterator[dict[str, Any]]:
    """Leave the model as large as it is, and let its inputs become small, or the batch alone."""
    batch = {name: value for name, value in own.items() if type(value) is int and "batch" in name.lower()}
    if batch:
        for number in _BATCHES:
            yield _applied(batch, partial(_alone, number))
    inputs = {name: value for name, value in own.items() if name not in built_with}
    for number in _BATCHES:
        fewer = _applied(batch, partial(_alone, number))
        for cap in _INPUT_CAPS if len(inputs) < len(own) else ():
            yield {**_applied(inputs, partial(_capped_to, cap)), **fewer}


def _alone(number: int, _: int) -> int:
    return number


def _capped_to(cap: int, n: int) -> int:
    return min(n, cap) if n > _STAYS else n


def _ranked(ranked: Mapping[int, int], n: int) -> int:
    return ranked.get(n, n)


def _halved(times: int, n: int) -> int:
    return max(n >> times, _SMALLEST) if n > _STAYS else n


def _capped(cap: int, n: int) -> int:
    while n > max(cap, _STAYS):
        n //= 2
    return n


def _one_odd(own: Constants) -> Iterator[dict[str, Any]]:
    """From small sets, let one number after another become odd or 1."""
    bases = list(_smaller(own))[: len(_CAPS)]
    for position, (name, place) in enumerate(_places(own)):
        for turn in range(_ODD_EACH):
            odd = _ODD[(position + 2 * turn) % len(_ODD)]
            base = bases[turn % len(bases)]
            current = base.get(name, own[name])
            yield {**base, name: _put(current, place, odd)}


def _places(own: Constants) -> list[tuple[str, int | None]]:
    """Name every size: a number above 8, or what is called a batch, in a tuple by its position."""
    found: list[tuple[str, int | None]] = []
    for name, value in own.items():
        if type(value) is int and (value > _STAYS or "batch" in name.lower()):
            found.append((name, None))
        elif isinstance(value, tuple | list):
            found += [(name, at) for at, n in enumerate(value) if type(n) is int and n > _STAYS]
    return found


def _put(value: Any, place: int | None, new: int) -> Any:
    return new if place is None else [new if at == place else item for at, item in enumerate(value)]


def _named(sets: list[dict[str, Any]]) -> tuple[Case, ...]:
    """Name each different set by what it says."""
    cases: dict[str, Case] = {}
    for constants in sets:
        text = ", ".join(f"{name}={_short(value)}" for name, value in constants.items()) or "as written"
        name = text if len(text) <= _MOST_NAME_CHARS else f"{text[: _MOST_NAME_CHARS - 8]}... {len(cases)}"
        if constants not in [case.constants for case in cases.values()]:
            cases[name] = Case(name=name, constants=constants, proposed=True)
    return tuple(cases.values())


def _short(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _changes(reference: Reference, own: Constants) -> Iterator[tuple[str, int | None, Any, str]]:
    """Yield a constant, a place in it, what stands there instead, and a name for that."""
    places = _places(own)[:_MOST_PLACES]
    for new, kind, changed in ((1, "size 1", places), (0, "empty", places[:1])):
        for name, place in changed:
            yield name, place, new, f"{kind}: {name}" + ("" if place is None else f"[{place}]")
    for name, value in reference.constants.items():
        for new in _other_values(name, value):
            yield name, None, new, f"{name}={new}"


def _other_values(name: str, value: Any) -> list[Any]:
    """Return what else an argument may be: other dims, another width of a window, another factor."""
    if name.lower() in _DIMS and type(value) is int:
        return [dim for dim in (0, 1, 2, -1) if dim != value]
    if isinstance(value, float):
        return [value * 1.5 + 0.125]
    if type(value) is int and 0 < value <= _STAYS and "batch" not in name.lower():
        return [value + 1]
    return []
