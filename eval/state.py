"""The tensors that a module keeps: parameters, buffers, and plain attributes such as a hidden state.

Judge and runner share it, so that a name means the same tensor on both sides.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Literal, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_DROP_NAMES = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
_DROPS = frozenset(getattr(functional, name) for name in _DROP_NAMES) | {torch.dropout}
_DROPS_AT = 4
"""Place of `dropout_p` among the arguments of attention."""
Kind = Literal["parameter", "buffer", "attribute"]


class Entry(NamedTuple):
    """One tensor of a module by its path, for example ``layers.0.weight``."""

    name: str
    kind: Kind
    tensor: torch.Tensor


def entries(model: Any, *, duplicates: bool = False) -> list[Entry]:
    """Return every tensor that the module and those below it keep, in a fixed order.

    With `duplicates`, a tensor that has several names is there under each.
    """
    if not isinstance(model, torch.nn.Module):
        return []
    parameters = model.named_parameters(remove_duplicate=not duplicates)
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


def one_number(tensor: torch.Tensor) -> float | None:
    """Return the number that all elements are, as a constructor leaves a new scale or bias; else None."""
    if not tensor.is_floating_point() or not tensor.numel():
        return None
    flat = tensor.detach().reshape(-1)
    return float(flat[0]) if bool((flat == flat[0]).all()) else None


def made_of_one_number(entry: Entry) -> bool:
    """Tell whether a constructor sets this parameter to one number, whatever its seed."""
    return entry.kind == "parameter" and one_number(entry.tensor) is not None


class State:
    """Writes into the tensors of one module, in pieces."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._first = {entry.name: entry for entry in entries(model, duplicates=True)}
        self._of_one_number: list[tuple[Entry, tuple[int, float | None]]] | None = None
        """What nothing was found for yet, each with its number of elements and the number that all are."""

    def missing(self, wanted: list[dict[str, Any]]) -> list[int]:
        """Return which of `wanted`, each a name and a shape, this module does not keep."""
        return [index for index, one in enumerate(wanted) if not self._has(one["name"], one["shape"])]

    def _has(self, name: str, shape: list[int]) -> bool:
        entry = self._first.get(name)
        return entry is not None and list(entry.tensor.shape) == shape and entry.tensor.is_contiguous()

    def adopt(self, wanted: list[dict[str, Any]]) -> list[int]:
        """Let parameters of other names stand for `wanted`, in the order in which both sides made them.

        Each of `wanted` is a name, a number of elements, and the one number that all of them are; what
        stands for it agrees in the last two. Returns which none stands for.
        """
        if self._of_one_number is None:
            self._of_one_number = [
                (entry, (entry.tensor.numel(), one_number(entry.tensor)))
                for entry in entries(self._model)
                if made_of_one_number(entry) and entry.tensor.is_contiguous()
            ]
        missing = []
        for index, one in enumerate(wanted):
            what = (one["numel"], one["number"])
            alike = [entry for entry, is_of in self._of_one_number if is_of == what]
            found = next((entry for entry in alike if entry.name == one["name"]), alike[0] if alike else None)
            if found is None:
                missing.append(index)
                continue
            self._of_one_number = [pair for pair in self._of_one_number if pair[0] is not found]
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
