"""Force one autotune configuration after another, where the tuner's own choice is not what is asked.

The judge tries every configuration for correctness; the tuner itself runs on the official case.
"""

from __future__ import annotations

from typing import Any

from eval.runner import as_compiled, bfloat16
from eval.runner.interpreted import Interpreted
from eval.runner.tuner_bench import times_ms


class ConfigPlan:
    """Which configuration the autotuned kernels use: `forced` by index, or the tuner's choice (None)."""

    def __init__(self) -> None:
        self.forced: int | None = None
        self.suppress = False
        """Launch nothing at all: what is then right in the output was not written by a kernel."""
        self.launched: dict[str, int] = {}
        """Launches by kernel since the last call began."""
        self.counts: dict[str, int] = {}
        """Number of configurations by autotuned kernel, as met so far."""
        self.tuners: dict[str, Any] = {}
        self.interpreted: Interpreted | None = None
        """What follows the launches where kernels are interpreted."""

    def install(self, *, interpret: bool) -> None:
        """Put the plan in front of Triton's autotuner and launcher."""
        from triton.runtime import autotuner, interpreter, jit

        self._install_autotuner(autotuner.Autotuner)
        self._install_launch(jit.JITFunction, "run")
        if interpret:
            self.interpreted = Interpreted()
            self.interpreted.install(interpreter.InterpreterBuilder)
            bfloat16.install(interpreter.InterpreterBuilder)
            as_compiled.install(interpreter)
            self._install_launch(interpreter.InterpretedFunction, "run", self.interpreted)

    def _install_autotuner(self, cls: Any) -> None:
        plan, tune = self, cls.run

        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            name = getattr(tuner.base_fn, "__name__", "kernel")
            plan.counts[name] = len(tuner.configs)
            plan.tuners[name] = tuner
            if plan.forced is None:
                _hasten(tuner)
                return tune(tuner, *args, **kwargs)
            config = tuner.configs[plan.forced % len(tuner.configs)]
            tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
            if config.pre_hook is not None:
                config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
            return tuner.fn.run(*args, **{**kwargs, **config.all_kwargs()})

        cls.run = run

    def _install_launch(self, cls: Any, method: str, interpreted: Interpreted | None = None) -> None:
        plan, launch = self, getattr(cls, method)

        def run(kernel: Any, *args: Any, **kwargs: Any) -> Any:
            name = str(getattr(kernel, "__name__", None) or getattr(kernel.fn, "__name__", "kernel"))
            plan.launched[name] = plan.launched.get(name, 0) + 1
            if plan.suppress:
                return None
            if interpreted is not None:
                interpreted.begin(name, kernel.fn, args, kwargs)
                interpreted.seen.note(kernel, args, kwargs)
            return launch(kernel, *args, **kwargs)

        setattr(cls, method, run)

    def times(self) -> list[dict[str, Any]]:
        """Median time of each configuration that the tuner measured, in ms, and the one it chose."""
        rows = []
        for name, tuner in self.tuners.items():
            measured = getattr(tuner, "configs_timings", None) or {}
            best = getattr(tuner, "best_config", None)
            for config in tuner.configs:
                timing = measured.get(config)
                ms = timing[0] if isinstance(timing, (list, tuple)) else timing
                rows.append(
                    {
                        "kernel": name,
                        "config": _plain(config),
                        "ms": float(ms) if ms is not None and ms != float("inf") else None,
                        "chosen": config is best,
                    }
                )
        return rows


def _hasten(tuner: Any) -> None:
    """Give the tuner a shorter benchmark than Triton's; who brings one of his own keeps it."""
    if getattr(tuner, "_do_bench", True) is None and "do_bench" not in vars(tuner):
        tuner.do_bench = times_ms


def _plain(config: Any) -> dict[str, Any]:
    return {str(k): v for k, v in config.all_kwargs().items() if isinstance(v, (int, float, str, bool))}
