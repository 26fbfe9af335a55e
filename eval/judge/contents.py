"""Contents of inputs: fresh for every call, in families that separate right answers from lucky ones."""

from __future__ import annotations

from collections.abc import Callable

import torch

Fill = Callable[[torch.Tensor, torch.Generator, float], None]


def _uniform(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.uniform_(0, unit, generator=rng)


def _normal(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, unit, generator=rng)


def _signed(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.uniform_(-unit, unit, generator=rng)


def _heavy(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, 1, generator=rng).pow_(5).mul_(unit / 4).clamp_(-256 * unit, 256 * unit)


def _offset(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    steps = max(2**-6, _OFFSET_STEPS * torch.finfo(out.dtype).eps)
    out.normal_(0, unit * steps, generator=rng).add_(8 * unit)


_OFFSET_STEPS = 64
"""So that a coarse dtype still tells numbers around the offset apart."""


def _integers(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.random_(-8, 9, generator=rng).mul_(unit)


def _tiny(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, unit * 2**-10, generator=rng)


def _spikes(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.uniform_(0, 1, generator=rng)
    out.copy_(torch.where(out > 0.97, 256 * unit * out, torch.zeros((), dtype=out.dtype, device=out.device)))  # noqa: PLR2004


def _sorted(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, unit, generator=rng)
    if out.dim() and out.numel():
        out.copy_(out.sort(dim=-1).values)


def _signed_zeros(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, unit, generator=rng)
    zero = torch.zeros((), dtype=out.dtype, device=out.device)
    out.copy_(torch.where(out.abs() < unit / 2, zero.copysign(out), out))


def _cliff(out: torch.Tensor, rng: torch.Generator, unit: float) -> None:
    out.normal_(0, unit, generator=rng)
    if out.dim() and out.shape[-1] > 1:
        edge = int(torch.randint(1, 1 + out.shape[-1] // 2, (), generator=rng, device=rng.device))
        out[..., edge:].abs_().mul_(_LOW if out.dtype.itemsize > 2 else _LOW_HALF)  # noqa: PLR2004


_LOW, _LOW_HALF = 2.0**-12, 2.0**-6
"""What lies behind a cliff is small, of one sign, and together more than the error that is allowed."""


DENSE: dict[str, Fill] = {"uniform": _uniform, "normal": _normal, "signed": _signed, "offset": _offset}
"""Cheap to make at any size: what timed calls get."""
FAMILIES: dict[str, Fill] = {
    **DENSE, "heavy": _heavy, "integers": _integers, "tiny": _tiny, "spikes": _spikes,
    "sorted": _sorted, "signed_zeros": _signed_zeros, "cliff": _cliff,
}  # fmt: skip
ONE_SIGN = "uniform"
"""Sums of these grow with their length, so that what is lost of a long one shows."""
CLIFF = "cliff"
"""What every candidate gets at least once on a case of moderate size."""
NEAR = "near"
"""The contents before, changed in a place or two: see `CHANGES`."""
GIVEN = "given"
"""What `get_inputs` itself makes."""
_ENDS, _TRIED = 8, 64
_HALF_UNIT = 2.0**-6
_ROW_GROUPS = 8


def unit_for(dtype: torch.dtype) -> float:
    """Size of a typical value: smaller for half precision, so that sums stay finite."""
    return _HALF_UNIT if dtype.itemsize <= 2 else 1.0  # noqa: PLR2004


def fill(out: torch.Tensor, family: str, rng: torch.Generator) -> None:
    """Fill a floating tensor in place; ``mixed`` gives groups of rows different families."""
    unit = unit_for(out.dtype)
    if family != "mixed":
        FAMILIES[family](out, rng, unit)
        return
    rows = out.unsqueeze(0) if out.dim() == 0 else out
    names = list(DENSE) if out.numel() > 1 << 24 else list(FAMILIES)
    for chunk in rows.chunk(_ROW_GROUPS, dim=0):
        pick = int(torch.randint(len(names), (), generator=rng, device=rng.device))
        FAMILIES[names[pick]](chunk, rng, unit)


def change_little(out: torch.Tensor, change: Change, rng: torch.Generator) -> bool:
    """Change a place or two, away from both ends and the middle; False where there is no room."""
    flat = out.view(-1)
    room = flat.numel() // 2 - 2 * _ENDS
    if room < _ENDS:
        return False
    places = torch.randint(_ENDS, _ENDS + room, (_TRIED,), generator=rng, device=rng.device)
    places += torch.randint(0, 2, (_TRIED,), generator=rng, device=rng.device) * (flat.numel() // 2)
    tried = flat[places].double()
    low, high, middle = places[torch.stack((tried.argmin(), tried.argmax(), tried.median(0).indices))]
    change(flat, low, high, middle)
    return True


def _exchange(flat: torch.Tensor, low: torch.Tensor, high: torch.Tensor, _middle: torch.Tensor) -> None:
    pair = torch.stack((low, high))
    flat[pair] = flat[pair.flip(0)]


def _lower(flat: torch.Tensor, _low: torch.Tensor, _high: torch.Tensor, middle: torch.Tensor) -> None:
    flat[flat.argmax()] = flat[middle]


def _raise(flat: torch.Tensor, _low: torch.Tensor, _high: torch.Tensor, middle: torch.Tensor) -> None:
    flat[flat.argmin()] = flat[middle]


Change = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], None]
"""Changes contents, given as one row, with three of its places: of a low, a high and a middling element."""
CHANGES: tuple[Change, ...] = (*[_exchange] * 6, *[_lower, _raise] * 2)
"""What is tried in turn until the right answer is another one: two elements exchanged, which a key made of
a few elements or of a sum does not see; an extreme that is none any more, where order does not count. No
value is new, so that all stay in the reference's domain."""


def fill_whole(out: torch.Tensor, low: int, high: int, rng: torch.Generator) -> None:
    """Fill a tensor of any dtype in place with whole numbers from `low` to below `high`."""
    if out.dtype.is_floating_point or out.dtype in {torch.bool, torch.uint8}:
        whole = torch.empty(out.shape, dtype=torch.int64, device=out.device)
        out.copy_(whole.random_(low, high, generator=rng))
    else:
        out.random_(low, high, generator=rng)
