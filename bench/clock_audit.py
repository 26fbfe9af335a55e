"""How small a lie of a runner's clock does the judge notice? Run on a CUDA GPU.

The expert solution is timed beside the reference and the current code again and again, honestly and with
its events shortened by a few per cent. Prints one row a size and shortening: how many sessions were
disputed.

Usage: python bench/clock_audit.py --output FOLDER [--trials N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from sessions import Ring

from eval.judge import audit
from eval.judge.gpu import identity
from eval.judge.processes import Zygote
from eval.records import Job
from harness.problems import load_problem

SIZES = {"full": (0.0, 0.02, 0.05), "4096": (0.0, 0.02, 0.05, 0.1, 0.2)}
LIE = """

_elapsed_time = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda start, end: _elapsed_time(start, end) * {factor}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=2.0, help="time budget of one session")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    problem = load_problem("cumsum_exclusive")
    assert problem.solution is not None
    assert problem.current_code is not None
    code = problem.solution.read_text()
    zygote = Zygote(cuda=True)
    rows: list[dict[str, Any]] = []
    for size, shortenings in SIZES.items():
        for shortening in shortenings:
            lying = code + (LIE.format(factor=1 - shortening) if shortening else "")
            ring = Ring(Job(problem=problem.problem, code=lying, size=size), zygote, places=3)
            ring.add("candidate", lying, trusted=False)
            ring.add("eager", problem.problem.reference, "Model")
            ring.add("current", problem.current_code)
            rows.append({"size": size, "shortened_by": shortening, **trials(ring, arguments)})
            ring.close()
            torch.cuda.empty_cache()
            print(json.dumps(rows[-1]), flush=True)
            result = {"gpu": identity(), "torch": torch.__version__, "rows": rows}
            (arguments.output / "clock_audit.json").write_text(json.dumps(result, indent=1))
    zygote.close()


def trials(ring: Ring, arguments: argparse.Namespace) -> dict[str, Any]:
    disputed, residuals, bounds, samples, events = 0, [], [], [], []
    start = time.monotonic()
    for _ in range(arguments.trials):
        ring.time(arguments.seconds)
        candidate, *trusted = ring.contestants
        disputed += audit.disputed(candidate, trusted) is not None
        residuals.append(1e3 * audit.residual_ms(candidate, trusted))
        bounds.append(1e3 * audit.bound_ms(candidate, trusted))
        samples.append(len(candidate.samples_ms))
        events.append(statistics.median(candidate.samples_ms))
    return {
        "trials": arguments.trials,
        "disputed": disputed,
        "event_ms": statistics.median(events),
        "residual_us": [min(residuals), statistics.median(residuals), max(residuals)],
        "bound_us": [min(bounds), statistics.median(bounds), max(bounds)],
        "samples": statistics.median(samples),
        "seconds_a_trial": (time.monotonic() - start) / arguments.trials,
    }


if __name__ == "__main__":
    main()
