"""What a candidate launches on a GPU that is not there: compiled by the real compiler, never run.

The package itself imports no torch. `eval.dry_launch.client` asks from outside; `session` and the
modules that it uses run in the candidate's process, `launcher` and `gate` on the judge's side.
"""

from eval.dry_launch.records import (
    H100,
    DryFailure,
    DryReport,
    DryRequest,
    FailureKind,
    GpuLimits,
    KernelBuild,
)

__all__ = [
    "H100",
    "DryFailure",
    "DryReport",
    "DryRequest",
    "FailureKind",
    "GpuLimits",
    "KernelBuild",
]
