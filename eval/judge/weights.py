"""Weights are inputs too: made by the judge, new for every call, and the same on both sides.

By state dict where the candidate keeps the reference's parameters by name and shape; otherwise both
constructors run under one seed, which tells nothing of any other, and what they make alike under every seed
is made anew all the same.
"""

from __future__ import annotations

import math
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch

from eval.state import contents, is_statistic
from eval.tensors import TensorDesc, dtype_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.model import Tensors
    from eval.judge.reference import CaseReference
    from eval.judge.regions import Region
    from eval.judge.runner import Runner
    from eval.state import Entry

Parity = Literal["state_dict", "seed"]
_SEED_BITS = 31
_NAMES_A_MESSAGE, _NAMED = 64, 8
_JITTER, _SMALL = 0.25, 0.1
_SHUFFLED = 1 << 20
"""Larger tensors are rolled instead, which takes less time."""
_MOST_ROOM = 64 << 20


def transfer_bytes(cases: list[CaseReference], align: int) -> int:
    """Room in shared memory through which the weights of these cases pass, in pieces if they are large."""
    largest = 0
    for case in cases:
        for entry in case.keeps():
            largest = max(largest, entry.tensor.numel() * entry.tensor.dtype.itemsize)
    return -(-min(largest, _MOST_ROOM) // align) * align if largest else 0


class Weights:
    """The state of one instance in one runner, and how the reference comes by the same."""

    def __init__(self, runner: Runner, key: str, case: CaseReference, region: Region) -> None:
        """Construct the instance `key` of `case` in `runner`, and find out which parity it allows.

        Raises:
            FaultRaised: its constructor fails.

        """
        self._runner, self._key, self._case, self._region = runner, key, case, region
        self._device = region.base.device
        self._seed = secrets.randbits(_SEED_BITS)
        self._construct()
        self._first = case.state(self._seed) if case.keeps() else []
        self._shared: list[Entry] = []
        self._renewed: list[Entry] = []
        self.lacks: tuple[Entry, ...] = ()
        """The reference's parameters that the candidate does not keep by name and shape."""
        self.left_out: tuple[str, ...] = ()
        """Those that are the same under every seed, for which nothing stands."""
        self.parity: Parity | None = self._agree()
        self._now = {entry.name: self._here(entry.tensor) for entry in self._first}

    def _construct(self) -> None:
        self._runner.instance(self._key, self._case.init, seed=self._seed, dtype=self._case.case.dtype)

    def _here(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().to(self._device).contiguous().clone()

    def _agree(self) -> Parity | None:
        """Ask which tensors the candidate keeps under the same names; all parameters make a state dict."""
        if not self._first:
            return None
        missing = self._without(self._first, self._lacking)
        self.lacks = tuple(
            entry for entry in self._first if entry.kind == "parameter" and entry.name in missing
        )
        if self.lacks:
            self._renewed = unvaried(self._case, self._first)
            self._adopt()
            return "seed"
        self._shared = [entry for entry in self._first if entry.name not in missing]
        self._renewed = [e for e in self._first if e.name not in missing or is_statistic(e.name)]
        return "state_dict"

    def _adopt(self) -> None:
        """Find what stands for that which no seed varies; the reference's is renewed all the same."""
        left = self._renewed
        for by in ("name", "shape", "size"):
            missing = self._without(left, partial(self._adopted, by=by))
            left = [entry for entry in left if entry.name in missing]
        self._shared = [entry for entry in self._renewed if entry.name not in missing]
        self.left_out = tuple(entry.name for entry in left if not is_statistic(entry.name))

    def _lacking(self, piece: list[Entry]) -> list[int]:
        return self._runner.missing(self._key, [_words(entry) for entry in piece])

    def _adopted(self, piece: list[Entry], by: str) -> list[int]:
        wanted = [_words(entry) | {"contents": contents(entry.tensor)} for entry in piece]
        return self._runner.adopt(self._key, wanted, by)

    @staticmethod
    def _without(wanted: list[Entry], ask: Callable[[list[Entry]], list[int]]) -> set[str]:
        """Ask piece by piece, and return the names of what is missing."""
        missing: set[str] = set()
        for start in range(0, len(wanted), _NAMES_A_MESSAGE):
            piece = wanted[start : start + _NAMES_A_MESSAGE]
            missing |= {piece[index].name for index in ask(piece) if 0 <= index < len(piece)}
        return missing

    def hint(self) -> str:
        """Say what a candidate should know of its weights where its answers are wrong; empty if nothing."""
        if not self.lacks:
            return ""
        first, left_out = self.lacks[0], ", ".join(self.left_out[:_NAMED])
        said = (
            f"; it keeps no parameter {first.name} of shape {list(first.tensor.shape)}, so weights go by "
            "seed: keep the reference's names and shapes, or draw in its order"
        )
        return f"{said}; no parameter stands for {left_out}: each wants one of its own" if left_out else said

    def renew(self, rng: torch.Generator) -> Tensors | None:
        """Bring both sides to one state, with new parameters where that is possible; return it."""
        for entry in self._renewed:
            self._now[entry.name] = fresh(self._here(entry.tensor), entry, rng)
        self.restore()
        return self._now or None

    def restore(self) -> None:
        """Bring the runner's instance to the state that was given last."""
        self._send_all()
        if self._case.stateful and (self.parity != "state_dict" or len(self._shared) < len(self._first)):
            self._construct()
            if self.parity == "seed":
                self._adopt()
            self._send_all()

    def _send_all(self) -> None:
        for entry in self._shared:
            self._send(entry.name, self._now[entry.name].view(-1))

    def _send(self, name: str, values: torch.Tensor) -> None:
        room = self._region.transfer_bytes // max(values.dtype.itemsize, 1)
        for start in range(0, values.numel(), max(room, 1)):
            piece = values[start : start + room]
            desc = TensorDesc(
                offset=self._region.split - self._region.transfer_bytes, shape=(piece.numel(),), stride=(1,),
                dtype=dtype_name(piece.dtype),
            )  # fmt: skip
            self._region.tensor(desc).copy_(piece)
            if piece.is_cuda:
                torch.cuda.synchronize()
            self._runner.write(self._key, name, start, desc.model_dump(mode="json"))


def fresh(first: torch.Tensor, entry: Entry, rng: torch.Generator) -> torch.Tensor:
    """Return new contents of the kind that the constructor gives: shuffled, each element changed a little.

    So the zeros and ones of a new normalisation layer become numbers that a candidate must look at.
    Buffers but the statistics of a normalisation, and attributes, keep their contents: they may be
    masks or tables.
    """
    if not first.is_floating_point() or not (entry.kind == "parameter" or is_statistic(entry.name)):
        return first
    flat = first.view(-1)
    noise = torch.empty_like(flat)
    if not bool(flat.any()):
        return noise.normal_(0, _SMALL, generator=rng).view(first.shape)
    if flat.numel() <= _SHUFFLED:
        flat = flat[torch.randperm(flat.numel(), generator=rng, device=flat.device)]
    else:
        flat = flat.roll(int(torch.randint(flat.numel(), (), generator=rng, device=flat.device)))
    return (flat * noise.uniform_(1 - _JITTER, 1 + _JITTER, generator=rng)).view(first.shape)


def new_state(case: CaseReference, *, renewed: bool = True) -> Tensors | None:
    """Return weights as a candidate gets them: renewed, or where it keeps others only what no seed varies."""
    rng = torch.Generator().manual_seed(secrets.randbits(62))
    entries = case.state(secrets.randbits(_SEED_BITS)) if case.keeps() else []
    first = {entry.name: entry.tensor.contiguous().clone() for entry in entries}
    made_anew = {entry.name for entry in (entries if renewed else unvaried(case, entries))}
    return {
        e.name: fresh(first[e.name], e, rng) if e.name in made_anew else first[e.name] for e in entries
    } or None


def unvaried(case: CaseReference, first: list[Entry]) -> list[Entry]:
    """Return what a constructor makes alike under every seed: ones, zeros, an identity, a table."""
    other = {entry.name: entry.tensor for entry in case.state(secrets.randbits(_SEED_BITS))} if first else {}
    return [entry for entry in first if is_statistic(entry.name) or _same(entry, other.get(entry.name))]


def _same(entry: Entry, other: torch.Tensor | None) -> bool:
    same = other is not None and other.shape == entry.tensor.shape and torch.equal(entry.tensor, other)
    return same and entry.kind == "parameter" and entry.tensor.is_floating_point()


def _words(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "shape": list(entry.tensor.shape)}


def size_of(entries: list[Entry]) -> int:
    """Bytes of all these tensors."""
    return sum(math.prod(entry.tensor.shape) * entry.tensor.dtype.itemsize for entry in entries)
