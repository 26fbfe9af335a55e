"""Record which library operators `forward` dispatches, outside of kernel launches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from eval.runner.configs import ConfigPlan


class OperatorLog(TorchDispatchMode):
    """Counts operators by name; Triton's interpreter works with operators of its own, which do not count."""

    def __init__(self, plan: ConfigPlan) -> None:
        TorchDispatchMode.__init__(self)
        self._plan = plan
        self.operators: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and pass on."""
        if not self._plan.launching:
            name = str(func)[:100]
            self.operators[name] = self.operators.get(name, 0) + 1
        return func(*args, **(kwargs or {}))
