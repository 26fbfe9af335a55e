"""Where jobs are judged: `submit(job)` gives a future of a verdict."""

from harness.executors.base import Executor, NoSlotError, Recheck, SlotState
from harness.executors.choose import open_executor
from harness.executors.local import LocalExecutor
from harness.executors.pool import JudgePool

__all__ = ["Executor", "JudgePool", "LocalExecutor", "NoSlotError", "Recheck", "SlotState", "open_executor"]
