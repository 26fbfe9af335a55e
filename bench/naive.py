"""A first harness: a fresh process, inputs made on the CPU, 100 calls of each with a flush."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from eval.records import Problem

NAIVE = """
import importlib.util, json, sys, torch
def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
reference, candidate = load("reference", sys.argv[1]), load("candidate", sys.argv[2])
for name, value in json.loads(sys.argv[3]).items():
    setattr(reference, name, value)
args = reference.get_init_inputs()
model, new = reference.Model(*args).cuda(), candidate.ModelNew(*args).cuda()
right = True
with torch.no_grad():
    for seed in range(5):
        torch.manual_seed(seed)
        inputs = [x.cuda() if isinstance(x, torch.Tensor) else x for x in reference.get_inputs()]
        right &= torch.allclose(model(*inputs), new(*inputs), rtol=1e-2, atol=1e-2)
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    times = []
    for function in (new, model):
        events = []
        for _ in range(100):
            flush.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record(); function(*inputs); end.record()
            events.append((start, end))
        torch.cuda.synchronize()
        times.append(sorted(a.elapsed_time(b) for a, b in events)[50])
print(json.dumps({"right": right, "ms": times}))
"""


def naive_seconds(problem: Problem, codes: list[str], size: str) -> list[float]:
    """Seconds of a naive harness for each candidate, start to end; interrupted, of those that were done."""
    constants = next(profile.constants for profile in problem.sizes if profile.name == size)
    seconds: list[float] = []
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        reference, candidate = Path(folder, "reference.py"), Path(folder, "candidate.py")
        reference.write_text(problem.reference)
        for code in codes:
            candidate.write_text(code)
            start = time.perf_counter()
            words = [sys.executable, "-c", NAIVE, str(reference), str(candidate), json.dumps(constants)]
            subprocess.run(words, check=False, capture_output=True)
            seconds.append(time.perf_counter() - start)
    return seconds
