"""Compile ahead: note what a candidate launches on all cases, then compile it by several processes.

It runs in a dry runner; what it leaves is Triton's cache there, which goes to the runner on the GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from eval.runner import warm_cuda

_MOST_LAUNCHES = 1024
_FAILED = 1


class AheadCapture:
    """Notes launches in place of Triton's autotuner and launcher; nothing is compiled until `compile`."""

    failures: tuple[dict[str, Any], ...] = ()
    """As `Capture` has them: here each failure is left to the runner on the GPU."""

    def __init__(self) -> None:
        self.launches = 0
        self.first_config = False
        """Of autotuned kernels note the first configuration alone."""
        self._noted: dict[str, Callable[[], Any]] = {}

    def install(self) -> None:
        """Put it in front of Triton's autotuner and launcher."""
        from triton.runtime import autotuner, jit

        self._install_autotuner(autotuner.Autotuner)
        self._install_launch(jit.JITFunction)

    @staticmethod
    def builds() -> list[dict[str, Any]]:
        """Tell nothing: what was compiled lies in the cache."""
        return []

    def _install_autotuner(self, cls: Any) -> None:
        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            for config in tuner.configs[: 1 if self.first_config else None]:
                tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
                if config.pre_hook is not None:
                    config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
                tuner.fn.run(*args, **{**kwargs, **config.all_kwargs()})

        cls.run = run

    def _install_launch(self, cls: Any) -> None:
        launch = cls.run

        def run(kernel: Any, *args: Any, grid: Any, **kwargs: Any) -> None:
            self.launches += 1
            kwargs.pop("warmup", None)
            key = _specialisation(kernel, args, kwargs)
            if len(self._noted) < _MOST_LAUNCHES:
                self._noted[key] = partial(launch, kernel, *args, grid=grid, warmup=True, **kwargs)

        cls.run = run

    def compile(self, workers: int) -> int:
        """Compile what was noted, each specialisation once; returns how many could not be.

        `workers` processes share the work: each leaves what it compiled in the same cache.
        """
        launches = list(self._noted.values())
        number = max(1, min(workers, len(launches)))
        children = [_forked(launches[place::number]) for place in range(number)]
        return sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


def _specialisation(kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Name what Triton compiles apart, in its own words."""
    from triton.runtime import driver

    *_, binder = kernel.device_caches[driver.active.get_current_device()]
    _, special, options = binder(*args, **kwargs)
    return f"{id(kernel)} {special} {options}"


def _forked(launches: list[Callable[[], Any]]) -> int:
    child = os.fork()
    if child:
        return child
    failed = False
    try:
        for launch in launches:
            failed |= not _compiled(launch)
    finally:
        os._exit(_FAILED if failed else 0)


def _compiled(launch: Callable[[], Any]) -> bool:
    """Compile one; what fails here fails again where it counts, and is told there."""
    with suppress(Exception):
        warm_cuda.build_launcher(launch())
        return True
    return False
