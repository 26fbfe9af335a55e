"""What the first launch on a GPU would compute in every runner: once, in the parent of those with CUDA.

That opens no CUDA context and starts no thread, since runners are forked from it; what needs CUDA is done
while a runner waits for its candidate.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import warnings
from typing import Any

_COMMON_CAPABILITY = 90
_SPECIALIZED_BY = "triton.experimental.gluon.nvidia.hopper"
"""What Triton imports to look at the arguments of the first launch, which takes a tenth of a second."""


def warm_up() -> None:
    """Compute the key of Triton's cache, and build Triton's own C module where a driver is here.

    The key takes a hash of the whole compiler, hundreds of megabytes; the module takes a C compiler.
    """
    warm_key()
    with contextlib.suppress(ImportError):
        importlib.import_module(_SPECIALIZED_BY)
    if driver_is_here():
        _keep_utilities()


def warm_key() -> None:
    """Compute the parts of the cache's key that no candidate changes."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import compiler
    from triton.runtime import cache

    key = getattr(compiler, "triton_key", None) or getattr(cache, "triton_key", None)
    if key is not None:
        key()
    backend = compiler.make_backend(GPUTarget("cuda", _COMMON_CAPABILITY, 32))
    backend.hash()
    with warnings.catch_warnings(action="ignore"):  # about options that are a candidate's to set
        backend.parse_options({}).hash()  # which looks through the library that kernels are linked with


def driver_is_here() -> bool:
    """Tell whether NVIDIA's driver library can be loaded; that starts nothing."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _keep_utilities() -> None:
    """Build and load the module once: made anew in a runner, it would be looked for in an empty cache."""
    from triton.backends.nvidia import driver

    kind: Any = driver.CudaUtils
    kind()

    def keep(_: Any) -> None:
        """Leave what is there."""

    kind.__init__ = keep


def warm_driver() -> None:
    """Let Triton find its driver and this process's GPU, with CUDA open: the first launch would."""
    from triton.compiler import compiler
    from triton.runtime import driver

    device = driver.active.get_current_device()
    driver.active.get_current_stream(device)
    compiler.make_backend(driver.active.get_current_target())
    if hasattr(compiler, "max_shared_mem"):
        compiler.max_shared_mem(device)


def build_launcher(compiled: Any) -> None:
    """Build what launches a kernel into Triton's cache, where this Triton builds one for each signature."""
    from triton.backends.nvidia import driver

    if hasattr(driver, "make_launcher") and driver_is_here():
        driver.CudaLauncher(compiled.src, compiled.metadata)
