"""Where jobs are judged: `submit(job)` gives a future of a verdict."""

from harness.executors.local import LocalExecutor

__all__ = ["LocalExecutor"]
