"""In front of Triton's launcher: compile for the target, keep what a launch would have been, run nothing."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from eval.dry_launch.fakes import NeedsDataError
from eval.dry_launch.resources import resources
from eval.runner.load import describe

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BUILDS = 64
_TEXT_CHARS = 100


class Capture:
    """Collects builds and compile failures of all launches in this process."""

    def __init__(self, scratch: Path, source: Path) -> None:
        self._scratch, self._source = scratch, source
        self._builds: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._config: dict[str, Any] | None = None
        self._reported: BaseException | None = None
        self.failures: list[dict[str, Any]] = []
        self.launches = 0

    def install(self) -> None:
        """Put it in front of Triton's autotuner and launcher."""
        from triton.runtime import autotuner, jit

        self._install_autotuner(autotuner.Autotuner)
        self._install_launch(jit.JITFunction)

    def builds(self) -> list[dict[str, Any]]:
        """Return what was compiled, in the order of the launches."""
        return list(self._builds.values())[:_MOST_BUILDS]

    def _install_autotuner(self, cls: Any) -> None:
        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
            result, failed = None, None
            for config in tuner.prune_configs(kwargs):
                try:
                    result = self._run_config(tuner, config, args, kwargs)
                except Exception as error:
                    if error is not self._reported:
                        raise
                    failed = error
            if failed is not None:
                raise failed
            return result

        cls.run = run

    def _run_config(self, tuner: Any, config: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
        if config.pre_hook is not None:
            config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
        self._config = _chosen(config)
        try:
            return tuner.fn.run(*args, **{**kwargs, **config.all_kwargs()})
        finally:
            self._config = None

    def _install_launch(self, cls: Any) -> None:
        launch = cls.run

        def run(kernel: Any, *args: Any, grid: Any, **kwargs: Any) -> Any:
            self.launches += 1
            kwargs.pop("warmup", None)
            bound = _bound(kernel, args, kwargs)
            name = str(getattr(kernel.fn, "__name__", "kernel"))[:_TEXT_CHARS]
            config = _constants(kernel, bound) if self._config is None else self._config
            try:
                compiled = launch(kernel, *args, grid=grid, warmup=True, **kwargs)
            except NeedsDataError:
                raise
            except Exception as error:
                self._reported = error
                self._fail(name, config, error)
                raise
            self._keep(name, config, compiled, grid(bound) if callable(grid) else grid)
            return compiled

        cls.run = run

    def _fail(self, name: str, config: dict[str, Any], error: Exception) -> None:
        described = describe(error, "run", self._source, interpreted=False)
        self.failures.append(
            {
                "kind": "compile", "kernel": name, "config": config, "line": described["line"],
                "message": f"{described['type']}: {described['message']}",
            }
        )  # fmt: skip

    def _keep(self, name: str, config: dict[str, Any], compiled: Any, grid: Any) -> None:
        sizes = [int(size) for size in (grid if isinstance(grid, (tuple, list)) else (grid,))]
        key = (name, json.dumps(config), str(compiled.hash))
        build = self._builds.get(key)
        if build is None:
            build = self._builds[key] = {**self._describe(name, config, compiled), "grid": sizes}
        build["launches"] += 1
        build["grid"] = max(build["grid"], sizes, key=_blocks)

    def _describe(self, name: str, config: dict[str, Any], compiled: Any) -> dict[str, Any]:
        found = resources(compiled.asm["cubin"], self._scratch)
        metadata = compiled.metadata
        return {
            "kernel": name, "config": config, "num_warps": int(metadata.num_warps),
            "num_stages": int(metadata.num_stages), "num_ctas": int(getattr(metadata, "num_ctas", 1)),
            "shared_bytes": int(metadata.shared), "registers": found.registers,
            "stack_bytes": found.stack_bytes, "launches": 0,
        }  # fmt: skip


def _bound(kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    signature = inspect.signature(kernel.fn)
    given = {name: value for name, value in kwargs.items() if name in signature.parameters}
    bound = signature.bind_partial(*args, **given)
    bound.apply_defaults()
    return dict(bound.arguments)


def _constants(kernel: Any, bound: dict[str, Any]) -> dict[str, Any]:
    names = [param.name for param in kernel.params if param.is_constexpr]
    return _plain({name: bound[name] for name in names if name in bound})


def _chosen(config: Any) -> dict[str, Any]:
    rest = {name: getattr(config, name, None) for name in ("num_ctas", "maxnreg")}
    return _plain(config.kwargs | {name: value for name, value in rest.items() if value not in (None, 1)})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    unwrapped = {str(name)[:_TEXT_CHARS]: getattr(value, "value", value) for name, value in values.items()}
    return {
        name: value[:_TEXT_CHARS] if isinstance(value, str) else value
        for name, value in unwrapped.items()
        if value is None or isinstance(value, (bool, int, float, str))
    }


def _blocks(grid: list[int]) -> int:
    total = 1
    for size in grid:
        total *= size
    return total
