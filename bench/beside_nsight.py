"""Nsight Compute's time of a candidate, in the very memory that the judge timed it in.

How fast memory is depends on where it lies (docs/timing.md), so a clock can be compared with another one only
on the same pieces of the card. Caches, of addresses too, are as the judge's pass over the inputs and its
sweep of the L2 leave them.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from eval.judge.regions import DeviceRegion, bytes_needed
from harness.errors import EnvironmentFailure

if TYPE_CHECKING:
    from sessions import Ring

    from harness.machine import Profiler

_DURATION, _LEAST_CALLS = "gpu__time_duration.sum", 16
_LOOK_SECONDS, _SHOWN_CHARS = 0.5, 1000
_OPTIONS = (
    "--profile-from-start", "off", "--clock-control", "none", "--cache-control", "none", "--csv",
    "--page", "raw", "--print-units", "base", "--metrics", _DURATION,
)  # fmt: skip
_PROFILED = """
import importlib.util, json, socket, sys, torch
from eval.cuda.programs import Programs
from eval.runner.arena import ArenaMemory
with socket.socket(socket.AF_UNIX) as channel:
    channel.connect(sys.argv[1])
    text, fds, _, _ = socket.recv_fds(channel, 1 << 16, 64)
told = json.loads(text)
memory = ArenaMemory(fds, told["pieces"], told["split"])
other = torch.zeros(told["sweep"], dtype=torch.uint8, device="cuda")
spec = importlib.util.spec_from_file_location("candidate", told["path"])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model, (rows, columns) = module.ModelNew(1).cuda(), told["shape"]
size = 4 * rows * columns
inputs = [memory.base[at : at + size].view(torch.float32).view(rows, columns) for at in told["inputs"]]
for x in inputs:
    x.uniform_()
programs = Programs(torch.cuda.get_device_properties(0).multi_processor_count)
key = torch.zeros(16, dtype=torch.uint8, device="cuda")  # changes nothing
with torch.no_grad():
    for _ in range(3):
        model(inputs[0])
    for _ in range(told["turns"]):
        outputs = []
        for x in inputs:
            stream = torch.cuda.current_stream().cuda_stream
            programs.cipher(stream, x.data_ptr(), x.data_ptr(), x.nbytes, key.data_ptr(), 0)
            programs.sweep(stream, other.data_ptr(), other.numel())
            torch.cuda.synchronize()
            torch.cuda.profiler.start()
            outputs.append(model(x))
            torch.cuda.synchronize()
            torch.cuda.profiler.stop()
"""
"""Turns as a runner takes them, in its memory and with its allocator."""


def nsight_ms(ring: Ring, shape: tuple[int, int], found: Profiler) -> list[float]:
    """Device time of each of some calls of the candidate by Nsight Compute, in ms; its own runner is ended.

    Raises:
        EnvironmentFailure: there is no Nsight Compute, or it did not see what was called.
        subprocess.CalledProcessError: it did not get to run the candidate, or that failed there.

    """
    import torch

    if found.path is None:
        raise EnvironmentFailure("there is no Nsight Compute here")
    candidate = ring.contestants[0]
    candidate.runner.kill()
    calls = candidate.calls
    turns = -(-_LEAST_CALLS // calls)
    step = bytes_needed(ring.baselines.case.inputs, DeviceRegion.align)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path, place = Path(folder, "candidate.py"), str(Path(folder, "memory"))
        path.write_text(ring.job.code)
        told = {
            "path": str(path), "shape": shape, "turns": turns,
            "inputs": [call * step for call in range(calls)],
            "pieces": candidate.region.piece_bytes, "split": candidate.region.split,
            "sweep": 2 * torch.cuda.get_device_properties(0).L2_cache_size,
        }  # fmt: skip
        listener.bind(place)
        listener.listen()
        asked = [found.path, *_OPTIONS, sys.executable, "-c", _PROFILED, place]
        with subprocess.Popen(
            asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:  # fmt: skip
            handed = _hand_over(listener, json.dumps(told).encode(), candidate.region.export_fds(), process)
            output, _ = process.communicate()
        if process.returncode or not handed:
            raise subprocess.CalledProcessError(process.returncode, asked[0], output)
    rows = list(csv.reader(line for line in output.splitlines() if line.startswith('"')))
    at = rows[0].index(_DURATION) if rows else 0
    launches_ms = [float(row[at].replace(",", "")) / 1e6 for row in rows[2:]]
    count = calls * turns
    each, rest = divmod(len(launches_ms), count)
    if not each or rest:
        raise EnvironmentFailure(f"{len(launches_ms)} launches in {count} calls: {output[-_SHOWN_CHARS:]}")
    return [sum(launches_ms[each * call : each * (call + 1)]) for call in range(count)]


def _hand_over(
    listener: socket.socket, text: bytes, fds: list[int], process: subprocess.Popen[str]
) -> bool:  # fmt: skip
    """Give the memory to the process that asks for it; False where that ended before it did."""
    listener.settimeout(_LOOK_SECONDS)
    try:
        while process.poll() is None:
            with contextlib.suppress(TimeoutError), listener.accept()[0] as channel:
                socket.send_fds(channel, [text], fds)
                return True
        return False
    finally:
        for fd in fds:
            os.close(fd)
