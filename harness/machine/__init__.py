"""What this machine has for judging: GPUs, a profiler, a sanitizer, walls for a runner. Imports no torch."""

from harness.machine.gpus import Gpu, gpus
from harness.machine.profiler import Profiler, profiler
from harness.machine.sanitizer import Sanitizer, sanitizer
from harness.machine.walls import walls

__all__ = ["Gpu", "Profiler", "Sanitizer", "gpus", "profiler", "sanitizer", "walls"]
