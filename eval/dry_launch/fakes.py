"""A CUDA device that is not there: tensors elsewhere that claim to lie on it, and its properties.

Only what honest code asks for is answered; anything else fails in the candidate's face, which makes
it a candidate that cannot be launched dry, not a wrong one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CUDA = "cuda"
_DATALESS = ("'Meta' backend", "meta tensor", "aten::nonzero")


class NeedsDataError(RuntimeError):
    """The candidate asked for the contents of a tensor that has none."""


class FakeDevice(TorchFunctionMode):
    """Inside this context, tensors on `place` (``meta`` or ``cpu``) say that they lie on ``cuda:0``."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place
        tensor: Any = torch.Tensor
        self._answers: dict[Any, Any] = {
            tensor.is_cuda.__get__: True,
            tensor.is_cpu.__get__: False,
            tensor.is_meta.__get__: False,
            tensor.device.__get__: torch.device(_CUDA, 0),
            tensor.get_device: 0,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer for the device, or pass on with the device's place in its stead."""
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        if func in self._answers and args[0].device.type == self._place:
            return self._answers[func]
        if func is torch.Tensor.cuda:
            return args[0].to(self._place)
        moved = {name: self._moved(value, name) for name, value in (kwargs or {}).items()}
        try:
            return func(*[self._moved(value) for value in args], **moved)
        except (NotImplementedError, RuntimeError) as error:
            if self._place == "meta" and any(mark in str(error) for mark in _DATALESS):
                raise NeedsDataError(str(error).splitlines()[0]) from error
            raise

    def _moved(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.device) and value.type == _CUDA:
            return torch.device(self._place)
        if isinstance(value, str) and value.partition(":")[0] == _CUDA:
            return self._place
        return self._place if name == "device" and type(value) is int else value


class _Nothing(AbstractContextManager[None]):
    """Stands for `torch.cuda.device` and the like: one device, one stream, nothing to switch."""

    def __init__(self, *_: Any) -> None:
        self.idx = 0

    def __exit__(self, *_: object) -> None:
        return None


def install_device(properties: dict[str, Any]) -> None:
    """Make `torch.cuda` of this process speak of a device with these properties."""
    described = SimpleNamespace(**properties)
    stream = SimpleNamespace(cuda_stream=0, device=torch.device(_CUDA, 0), synchronize=lambda: None)
    stubs: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _device: None,
        "synchronize": lambda _device=None: None,
        "get_device_name": lambda _device=None: described.name,
        "get_device_capability": lambda _device=None: (described.major, described.minor),
        "get_device_properties": lambda _device=None: described,
        "mem_get_info": lambda _device=None: (described.total_memory, described.total_memory),
        "current_stream": lambda _device=None: stream,
        "default_stream": lambda _device=None: stream,
        "is_current_stream_capturing": lambda: False,
        "is_bf16_supported": lambda *_: True,
        "empty_cache": lambda: None,
        "device": _Nothing,
        "device_of": _Nothing,
    }
    for name, stub in stubs.items():
        setattr(torch.cuda, name, stub)


class FakeDriver:
    """What Triton asks its driver before it compiles."""

    def __init__(self, capability: int, properties: dict[str, Any]) -> None:
        from triton.backends.compiler import GPUTarget

        self._target = GPUTarget(_CUDA, capability, 32)
        self.utils = SimpleNamespace(get_device_properties=lambda _device=0: _for_triton(properties))

    def get_current_target(self) -> Any:
        """Return the GPU to compile for."""
        return self._target

    def get_current_device(self) -> int:
        """Return the only device."""
        return 0

    def get_current_stream(self, _device: int | None = None) -> int:
        """Return the default stream."""
        return 0

    def set_current_device(self, _device: int) -> None:
        """Stay with the only device."""

    def get_device_capability(self, _device: int = 0) -> tuple[int, int]:
        """Return the compute capability."""
        return divmod(int(self._target.arch), 10)

    def get_active_torch_device(self) -> torch.device:
        """Return the only device."""
        return torch.device(_CUDA, 0)

    def get_device_interface(self) -> Any:
        """Return the module whose functions `install_device` replaced."""
        return torch.cuda


def _for_triton(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "max_shared_mem": properties["shared_memory_per_block_optin"],
        "max_num_regs": properties["regs_per_multiprocessor"],
        "multiprocessor_count": properties["multi_processor_count"],
        "warpSize": properties["warp_size"],
        "sm_clock_rate": 1_000_000,
        "mem_clock_rate": 1_000_000,
        "mem_bus_width": 256,
    }


def random_contents(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return a CPU tensor for candidates that look at their inputs before they launch."""
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape).to(dtype)
    return torch.randint(0, 2 if dtype is torch.bool else 8, shape).to(dtype)
