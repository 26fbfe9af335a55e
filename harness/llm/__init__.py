"""Models behind OpenAI-compatible endpoints: every reply is kept, and none is bought twice.

`collect` is imported from `harness.llm.collecting` on first use, since the `openai` package takes a
while to import.
"""

from typing import TYPE_CHECKING, Any

from harness.llm.replay import ReplayServer
from harness.llm.spec import ModelSpec, public_url

if TYPE_CHECKING:
    from harness.llm.collecting import Outcome, collect

__all__ = ["ModelSpec", "Outcome", "ReplayServer", "collect", "public_url"]


def __getattr__(name: str) -> Any:
    if name in {"Outcome", "collect"}:
        from harness.llm import collecting

        return getattr(collecting, name)
    raise AttributeError(name)
