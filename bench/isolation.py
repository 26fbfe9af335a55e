"""What isolation costs: a warm, sandboxed runner beside a fresh Python for each candidate.

Measures, as ratios within one run: seconds from start to the first verified result, and on a CUDA GPU
the times of kernels in the shared arena beside native memory.

Usage: python bench/isolation.py --output FOLDER [--device cpu|cuda] [--repeat N] [--size NAME]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from eval.judge.calls import Caller
from eval.judge.correctness import instance_key
from eval.judge.processes import Zygote
from eval.judge.reference import CaseReference
from eval.judge.regions import DeviceRegion, HostRegion, Region
from eval.judge.runner import Runner
from eval.judge.timed_turn import TimedTurn
from eval.records import Case, Limits
from harness.problems import ProblemFolder, load_problem

FIRST = Case(name="first", constants={"batch_size": 33, "input_shape": [65]})
FRESH = """
import importlib.util, sys, torch
device, path = sys.argv[1], sys.argv[2]
spec = importlib.util.spec_from_file_location("candidate", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
x = torch.rand(33, 65, device=device)
expected = torch.cumsum(torch.cat((torch.zeros_like(x[:, :1]), x), dim=1)[:-1].double(), dim=1)
out = module.ModelNew(1).to(device)(x)
assert torch.allclose(out.double(), expected, rtol=1e-5, atol=1e-5)
"""
NATIVE = """
import importlib.util, json, sys, torch
from threading import Thread
from eval.cuda.programs import assembled
from eval.gate import Gate, new_page
from eval.judge.opening import Opening
from eval.runner.stopwatch import Stopwatch
rows, columns, path, samples = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
spec = importlib.util.spec_from_file_location("candidate", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
gate = Gate(new_page())
x = torch.empty(rows, columns, device="cuda")  # the stopwatch needs a current context
model, watch = module.ModelNew(1), Stopwatch(gate, assembled())
times = []
with torch.no_grad():
    for _ in range(samples + 5):
        x.uniform_()
        torch.cuda.synchronize()
        opening = Opening(gate, [bytes(16)], lambda: False)
        opener = Thread(target=lambda: (opening.admit(), opening.wait(), opening.run()))
        opener.start()
        (ms,) = watch.time([lambda: model(x)], [[]], lambda _: None)
        opener.join()
        times.append(ms)
print(json.dumps(times[5:]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--size", default="full")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    problem = load_problem("cumsum_exclusive")
    cuda = arguments.device == "cuda"
    fresh = [fresh_python(problem, arguments.device) for _ in range(arguments.repeat)]
    zygote = Zygote(cuda=cuda)
    warm = [warm_runner(problem, zygote, cuda=cuda) for _ in range(arguments.repeat)]
    result: dict[str, Any] = {
        "device": arguments.device,
        "fresh_python_s": {"first": fresh[0], "later": spread(fresh[1:])},
        "warm_runner_s": {name: spread([row[name] for row in warm]) for name in warm[0]},
        "ratio": statistics.median(fresh[1:]) / statistics.median(row["total"] for row in warm),
    }
    if cuda:
        result["arena"] = [
            arena_and_native(problem, zygote, name, arguments.size) for name in ("solution", "current")
        ]
    zygote.close()
    print(json.dumps(result, indent=1))
    (arguments.output / f"isolation_{arguments.device}.json").write_text(json.dumps(result, indent=1))


def spread(values: list[float]) -> list[float]:
    """Least, median and greatest."""
    return [min(values), statistics.median(values), max(values)]


def fresh_python(problem: ProblemFolder, device: str) -> float:
    env = os.environ | ({"TRITON_INTERPRET": "1"} if device == "cpu" else {})
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", FRESH, device, str(problem.solution)], env=env, check=True)
    return time.monotonic() - start


def warm_runner(problem: ProblemFolder, zygote: Zygote, *, cuda: bool) -> dict[str, float]:
    """Seconds by step from the fork to the first output that was checked in full."""
    case = CaseReference(problem.problem, FIRST)
    signature, key = case.signature(), instance_key(case)
    region: Region = DeviceRegion(1 << 26, 1 << 29) if cuda else HostRegion(1 << 20, 1 << 20)
    caller = Caller(problem.problem, region)
    caller.prepare(case, "uniform")
    marks = [time.monotonic()]
    runner = Runner(zygote, region, Limits(), cuda=cuda)
    marks.append(time.monotonic())
    assert problem.solution is not None
    runner.load(problem.solution.read_text(), "ModelNew")
    runner.instance(key, case.init)
    marks.append(time.monotonic())
    caller.checked_call(runner, case, signature, "uniform", key=key)
    marks.append(time.monotonic())
    runner.kill()
    region.close()
    return {
        "start_and_sandbox": marks[1] - marks[0],
        "load": marks[2] - marks[1],
        "first_checked_call": marks[3] - marks[2],
        "total": marks[3] - marks[0],
        "left_with_a_standby_runner": marks[3] - marks[1],
    }


def arena_and_native(problem: ProblemFolder, zygote: Zygote, name: str, size: str) -> dict[str, Any]:
    """Median times of one kernel in both kinds of memory, taken in turn: native, arena, native."""
    import torch

    from eval.judge.hiding import Hiding

    constants = next(s.constants for s in problem.problem.sizes if s.name == size)
    rows, columns = constants["batch_size"], constants["input_shape"][0]
    path = problem.path / f"{name}.py"
    arguments = [sys.executable, "-c", NATIVE, str(rows), str(columns), str(path), "30"]
    native = [native_ms(arguments)]
    moved = 4 * (rows * columns + (rows - 1) * (columns + 1))
    case = CaseReference(problem.problem, Case(name=size, constants=constants))
    region = DeviceRegion(4 * rows * columns, int(1.1 * moved) + (1 << 29))
    caller, key = Caller(problem.problem, region), instance_key(case)
    runner = Runner(zygote, region, Limits(seconds=600), cuda=True)
    runner.load(path.read_text(), "ModelNew")
    runner.instance(key, case.init)
    arena = []
    for _ in range(35):
        hiding = Hiding(region, 1)
        prepared = caller.prepare(case, "uniform", write=hiding.writer(0))
        torch.cuda.synchronize()
        with TimedTurn(runner, {"op": "timed", "key": key, "batch": [prepared.message]}, hiding.keys) as turn:
            turn.admit()
            turn.queue()
            turn.run()
            arena += turn.end()[0]
    runner.kill()
    caller.forget()
    region.close()
    torch.cuda.empty_cache()
    native.append(native_ms(arguments))
    both = statistics.median(native[0] + native[1])
    return {
        "code": name,
        "size": size,
        "native_ms": [statistics.median(times) for times in native],
        "arena_ms": statistics.median(arena[5:]),
        "arena_over_native": statistics.median(arena[5:]) / both,
    }


def native_ms(arguments: list[str]) -> list[float]:
    """Times of single calls in a process of its own, which complains on our stderr."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, check=True)
    times: list[float] = json.loads(done.stdout)
    return times


if __name__ == "__main__":
    main()
