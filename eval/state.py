"""The tensors that a module keeps: parameters, buffers, and plain attributes such as a hidden state.

Judge and runner share it, so that a name means the same tensor on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, NamedTuple

import torch
from torch.nn import functional
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

_DROP_NAMES = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
_DROPS = frozenset(getattr(functional, name) for name in _DROP_NAMES) | {torch.dropout}
_DROPS_AT = 4
"""Place of `dropout_p` among the arguments of attention."""
_STATISTICS = ("running_mean", "running_var")
_LOOKED_AT, _LAST_BITS = 1 << 16, 8
Kind = Literal["parameter", "buffer", "attribute"]


class Entry(NamedTuple):
    """One tensor of a module by its path, for example ``layers.0.weight``."""

    name: str
    kind: Kind
    tensor: torch.Tensor


Order = dict[int, int]
"""When parameters were registered, by their identity."""


@contextmanager
def registration_order() -> Iterator[Order]:
    """Note the order in which modules that are constructed meanwhile register their parameters.

    `named_parameters` has a module's own before those of its submodules, whenever they were made.
    """
    order: Order = {}

    def note(_module: Any, _name: str, parameter: Any) -> None:
        order.setdefault(id(parameter), len(order))

    hook = register_module_parameter_registration_hook(note)
    try:
        yield order
    finally:
        hook.remove()


def entries(model: Any, *, duplicates: bool = False, order: Order | None = None) -> list[Entry]:
    """Return every tensor that the module and those below it keep, in a fixed order: that of `order` first.

    With `duplicates`, a tensor that has several names is there under each.
    """
    if not isinstance(model, torch.nn.Module):
        return []
    named = model.named_parameters(remove_duplicate=not duplicates)
    made = order or {}
    parameters = sorted(named, key=lambda pair: made.get(id(pair[1]), len(made)))
    buffers = model.named_buffers(remove_duplicate=not duplicates)
    found = [Entry(name, "parameter", tensor) for name, tensor in parameters]
    found += [Entry(name, "buffer", tensor) for name, tensor in buffers]
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                found.append(Entry(f"{path}.{name}" if path else name, "attribute", value))
    return found


def still_dropouts(model: Any) -> None:
    """Switch dropout off wherever a module of torch would do it; all else stays in training mode.

    Two sides cannot agree on random masks, so problems are judged as if every ``p`` were 0.
    """
    if not isinstance(model, torch.nn.Module):
        return
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):  # noqa: SLF001 - the base of them all
            module.eval()
        elif type(module).__module__.startswith("torch.nn") and isinstance(
            getattr(module, "dropout", None), float
        ):
            module.dropout = 0.0  # type: ignore[assignment]


def still_functions() -> None:
    """Do the same to dropout that is called as a function, in this process, for good.

    A mode would stand between `forward` and every operator that is timed; judges use `NoDropout`.
    """
    for name in _DROP_NAMES:
        setattr(functional, name, _as_it_is)
    torch.dropout = _as_it_is
    attention = functional.scaled_dot_product_attention

    @wraps(attention)
    def sure(*args: Any, **named: Any) -> torch.Tensor:
        return attention(*_sure_arguments(args, named), **named)

    functional.scaled_dot_product_attention = sure


def _as_it_is(input: torch.Tensor, *_args: Any, **_named: Any) -> torch.Tensor:  # noqa: A002 - torch's name
    return input


def _sure_arguments(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments of attention without dropout; what is given by name is changed in place."""
    if "dropout_p" in named:
        named["dropout_p"] = 0.0
    return (*args[:_DROPS_AT], 0.0, *args[_DROPS_AT + 1 :]) if len(args) > _DROPS_AT else args


class NoDropout(TorchFunctionMode):
    """Switches off dropout that is called as a function, whatever `forward` says of training."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func in _DROPS:
            return args[0] if args else named["input"]
        if func is torch.nn.functional.scaled_dot_product_attention:
            args = _sure_arguments(args, named)
        return func(*args, **named)


def is_statistic(name: str) -> bool:
    """Tell whether a tensor of this name holds the running statistics of a normalisation."""
    return name.endswith(_STATISTICS)


def contents(tensor: torch.Tensor) -> list[float]:
    """Sum up some of the elements, by place and by magnitude: what differs in a last bit comes out alike."""
    flat = tensor.detach().reshape(-1)
    flat = flat[:: max(1, flat.numel() // _LOOKED_AT)].double().nan_to_num_(nan=0.0, posinf=1.0, neginf=-1.0)
    waves = torch.arange(flat.numel(), dtype=torch.float64, device=flat.device).cos_()
    return [float((flat * waves).sum()), float(flat.abs().sum())]


class State:
    """Writes into the tensors of one module, in pieces."""

    def __init__(self, model: Any, order: Order | None = None) -> None:
        self._model, self._order = model, order
        self._first = {entry.name: entry for entry in entries(model, duplicates=True)}
        self._free: list[tuple[Entry, list[float]]] | None = None
        """What stands for nothing yet, with its contents."""

    def missing(self, wanted: list[dict[str, Any]]) -> list[int]:
        """Return which of `wanted`, each a name and a shape, this module does not keep."""
        return [index for index, one in enumerate(wanted) if not self._has(one["name"], one["shape"])]

    def _has(self, name: str, shape: list[int]) -> bool:
        entry = self._first.get(name)
        return entry is not None and list(entry.tensor.shape) == shape and entry.tensor.is_contiguous()

    def adopt(self, wanted: list[dict[str, Any]], by: str) -> list[int]:
        """Let tensors of other names stand for `wanted`, which a constructor makes alike under every seed.

        Each of `wanted` is a name, a shape and contents. They are found `by` ``name``, ``shape`` or ``size``,
        in the order in which both sides registered them; a table of other dimensions is another one. Returns
        which none stands for.
        """
        if self._free is None:
            kept = entries(self._model, order=self._order)
            usable = [e for e in kept if e.tensor.is_contiguous() and e.tensor.is_floating_point()]
            self._free = [(entry, contents(entry.tensor)) for entry in usable]
        missing = []
        for index, one in enumerate(wanted):
            found = next((e for e, inside in self._free if _stands_for(e, inside, one, by)), None)
            if found is None:
                missing.append(index)
                continue
            self._free = [pair for pair in self._free if pair[0] is not found]
            self._first[one["name"]] = found
        return missing

    def write(self, name: str, start: int, values: torch.Tensor) -> None:
        """Write `values`, flat, from element `start` on into the tensor of that name.

        What `forward` put in the place of a buffer or an attribute gives way: it may be an output.
        """
        entry = self._first[name]
        if entry.kind != "parameter" and start == 0:
            entry = self._renewed(entry)
        with torch.no_grad():
            flat = entry.tensor.detach().view(-1)
            flat[start : start + values.numel()].copy_(values)

    def _renewed(self, entry: Entry) -> Entry:
        path, _, leaf = entry.name.rpartition(".")
        owner = self._model.get_submodule(path)
        if entry.kind == "attribute":
            entry = entry._replace(tensor=torch.empty_like(entry.tensor))
            self._first[entry.name] = entry
        if getattr(owner, leaf, None) is not entry.tensor:
            setattr(owner, leaf, entry.tensor)
        return entry


def _stands_for(entry: Entry, inside: list[float], wanted: dict[str, Any], by: str) -> bool:
    if is_statistic(entry.name) != is_statistic(wanted["name"]):
        return False
    if entry.kind != "parameter" and not is_statistic(entry.name):
        return False
    shape, other = list(entry.tensor.shape), wanted["shape"]
    agrees = {"name": entry.name == wanted["name"], "shape": shape == other, "size": True}[by]
    long, other_long = [n for n in shape if n != 1], [n for n in other if n != 1]
    flat = math.prod(shape) == math.prod(other) and min(len(long), len(other_long)) <= 1
    if not agrees or not (long == other_long or flat):
        return False
    allowed = _LAST_BITS * torch.finfo(entry.tensor.dtype).eps * max(inside[1], wanted["contents"][1])
    return all(abs(a - b) <= allowed for a, b in zip(inside, wanted["contents"], strict=True))
