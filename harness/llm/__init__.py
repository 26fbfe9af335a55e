"""Models behind OpenAI-compatible endpoints: every reply is kept, and none is bought twice.

What needs the `openai` package is imported on first use, since that takes a while to import.
"""

from typing import TYPE_CHECKING, Any

from harness.llm.budget import Budget, Purse
from harness.llm.orders import Order
from harness.llm.outcomes import Outcome
from harness.llm.replay import ReplayServer
from harness.llm.spec import ModelSpec, public_url

if TYPE_CHECKING:
    from harness.llm.collecting import collect, collect_orders, collect_with_pauses

__all__ = [
    "Budget",
    "ModelSpec",
    "Order",
    "Outcome",
    "Purse",
    "ReplayServer",
    "collect",
    "collect_orders",
    "collect_with_pauses",
    "public_url",
]


def __getattr__(name: str) -> Any:
    if name in {"collect", "collect_orders", "collect_with_pauses"}:
        from harness.llm import collecting

        return getattr(collecting, name)
    raise AttributeError(name)
