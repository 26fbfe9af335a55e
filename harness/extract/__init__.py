"""Take the candidate's code out of a reply; a reply without one is a `Failed` verdict that says why."""

from harness.extract.choose import extract

__all__ = ["extract"]
