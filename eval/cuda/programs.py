"""Launches the programs of `eval.cuda.ptx` on a stream, through the driver alone.

Nothing of torch or Triton is used but the stream's handle, so that what a candidate does to those
libraries does not change what is launched here, and no compilation of Triton's is waited for.
"""

from __future__ import annotations

import ctypes
from functools import cache, cached_property
from typing import Any

from eval.cuda.driver import call, library
from eval.cuda.ptx import PROGRAMS

VECTOR_BYTES = 16
_THREADS = 256
_BLOCKS_AN_SM = 8
_MOST_PACKED = 256
_PTX = 1
"""CU_JIT_INPUT_PTX."""
_WAIT_GEQ = 0x0
"""CU_STREAM_WAIT_VALUE_GEQ."""
_MAPPED = 0x02
"""cuMemHostRegister's flag for memory that the device may address."""

_U64, _U32 = ctypes.c_uint64, ctypes.c_uint32


class Programs:
    """The programs, loaded into the current context of the calling thread."""

    def __init__(self, sms: int, image: bytes | None = None) -> None:
        """`sms` is how many multiprocessors the device has, `image` what `assembled` gave on one like it.

        Raises:
            CudaDriverError: the driver does not take them.

        """
        self._lib = library()
        self._most_blocks = sms * _BLOCKS_AN_SM
        self._module = ctypes.c_void_p()
        self._packed: dict[tuple[str, tuple[int, ...]], tuple[Any, list[Any]]] = {}
        """Arguments as the driver reads them, and what holds them."""
        text = image if image is not None else PROGRAMS.encode()
        call(self._lib, "cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(text))

    def _function(self, name: str) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        call(self._lib, "cuModuleGetFunction", ctypes.byref(function), self._module, name.encode())
        return function

    @cached_property
    def _functions(self) -> dict[str, ctypes.c_void_p]:
        return {name: self._function(name) for name in ("cipher", "sweep", "wait", "tell", "spin")}

    def cipher(self, stream: int, target: int, source: int, size_bytes: int, key: int, tweak: int) -> None:
        """Write `source` XOR the stream of the 16 bytes at `key` to `target`; all are device addresses.

        `size_bytes` is rounded up to 16; `tweak` parts the streams of one key.
        """
        vectors = -(-size_bytes // VECTOR_BYTES)
        kinds, arguments = (_U64, _U64, _U64, _U64, _U32), (target, source, vectors, key, tweak)
        self._launch(stream, "cipher", self._blocks(vectors), _THREADS, kinds, arguments)

    def sweep(self, stream: int, source: int, size_bytes: int) -> None:
        """Read a range of device memory, whose first bytes may be written."""
        vectors = size_bytes // VECTOR_BYTES
        kinds, arguments = (_U64, _U64, _U64), (source, vectors, source)
        self._launch(stream, "sweep", self._blocks(vectors), _THREADS, kinds, arguments)

    def hold(self, stream: int, gate: int, wanted: int) -> None:
        """Hold the stream until the word at `gate` is `wanted` or more, with no program on the device.

        So others have the whole device meanwhile, where `wait` takes its share of their time. It waits for
        ever, but for that a runner ends with its judge.
        """
        call(
            self._lib, "cuStreamWaitValue32_v2", ctypes.c_void_p(stream), _U64(gate), _U32(wanted),
            ctypes.c_uint(_WAIT_GEQ),
        )  # fmt: skip

    def wait(self, stream: int, gate: int, wanted: int, host_key: int, key: int) -> None:
        """Hold the stream until the word at `gate` is `wanted` or more, then copy 16 bytes to `key`."""
        self._launch(stream, "wait", 1, 1, (_U64, _U32, _U64, _U64), (gate, wanted, host_key, key))

    def tell(self, stream: int, place: int, value: int) -> None:
        """Write a word to host memory once the stream has come here."""
        self._launch(stream, "tell", 1, 1, (_U64, _U32), (place, value))

    def spin(self, stream: int, place: int, wanted_ns: int) -> None:
        """Keep one thread busy for `wanted_ns` or a little more; the ns that it was are left at `place`."""
        self._launch(stream, "spin", 1, 1, (_U64, _U32), (place, wanted_ns))

    def _blocks(self, vectors: int) -> int:
        return max(1, min(-(-vectors // _THREADS), self._most_blocks))

    def _launch(
        self, stream: int, name: str, blocks: int, threads: int, kinds: tuple[Any, ...],
        arguments: tuple[int, ...],
    ) -> None:  # fmt: skip
        """Launch; the same arguments come again and again, and are packed once."""
        packed = self._packed.get((name, arguments))
        if packed is None:
            values = [kind(value) for kind, value in zip(kinds, arguments, strict=True)]
            packed = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values)), values
            if len(self._packed) >= _MOST_PACKED:
                self._packed.clear()
            self._packed[name, arguments] = packed
        call(
            self._lib, "cuLaunchKernel", self._functions[name], blocks, 1, 1, threads, 1, 1, 0,
            ctypes.c_void_p(stream), packed[0], None,
        )  # fmt: skip


@cache
def assembled() -> bytes:
    """Return the programs as code of the current context's device; to load the text takes 25 ms each time.

    Raises:
        CudaDriverError: the driver does not take them.

    """
    lib, state, nothing = library(), ctypes.c_void_p(), ctypes.c_void_p()
    text = PROGRAMS.encode()
    call(lib, "cuLinkCreate_v2", 0, nothing, nothing, ctypes.byref(state))
    try:
        call(
            lib, "cuLinkAddData_v2", state, _PTX, ctypes.c_char_p(text), ctypes.c_size_t(len(text) + 1),
            b"programs", 0, nothing, nothing,
        )  # fmt: skip
        image, size = ctypes.c_void_p(), ctypes.c_size_t()
        call(lib, "cuLinkComplete", state, ctypes.byref(image), ctypes.byref(size))
        return ctypes.string_at(image, size.value)
    finally:
        call(lib, "cuLinkDestroy", state)


def register(address: int, size_bytes: int) -> int:
    """Pin host memory, and return its address for the device.

    Raises:
        CudaDriverError: the driver does not pin it.

    """
    lib: Any = library()
    pointer = ctypes.c_uint64()
    call(lib, "cuMemHostRegister_v2", ctypes.c_void_p(address), ctypes.c_size_t(size_bytes), _MAPPED)
    call(lib, "cuMemHostGetDevicePointer_v2", ctypes.byref(pointer), ctypes.c_void_p(address), 0)
    return pointer.value
