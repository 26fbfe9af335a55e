"""What this machine has for judging: GPUs, a profiler, walls for a runner. Imports no torch."""

from harness.machine.gpus import Gpu, gpus
from harness.machine.profiler import Profiler, profiler
from harness.machine.walls import walls

__all__ = ["Gpu", "Profiler", "gpus", "profiler", "walls"]
