"""How small a lie of a runner's clock does the judge notice? Run on a CUDA GPU.

The expert solution is timed beside the baselines again and again, honestly and with its events
shortened by a few per cent. Prints one row a size and shortening: how many sessions were disputed.

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

from eval.judge import audit, timing
from eval.judge.baselines import Baselines
from eval.judge.calls import Caller
from eval.judge.correctness import instance_key
from eval.judge.gpu import identity
from eval.judge.processes import Zygote
from eval.judge.runner import Runner
from eval.judge.timing import Contestant, TimingSession
from eval.judge.trial import hidden_paths
from eval.records import Job, Limits
from harness.problems import load_problem

LEADS = (0, 400_000, timing.LEAD_CYCLES)
SIZES = {"full": (0.0, 0.05), "4096": (0.0, 0.1, 0.2)}
LIE = """

_elapsed_time = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda start, end: _elapsed_time(start, end) * {factor}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=2.0, help="time budget of one session")
    arguments = parser.parse_args()
    problem = load_problem("cumsum_exclusive")
    assert problem.solution is not None
    code = problem.solution.read_text()
    zygote = Zygote(cuda=True)
    rows: list[dict[str, Any]] = []
    leads: list[dict[str, Any]] = []
    for size, shortenings in SIZES.items():
        job = Job(problem=problem.problem, code=code, current_code=problem.current_code, size=size)
        baselines = Baselines(job, zygote)
        for shortening in shortenings:
            rows.append(trials(job, baselines, zygote, shortening, arguments))
            print(json.dumps(rows[-1]), flush=True)
        if size == "full":
            leads = [lead(job, baselines, zygote, cycles, arguments) for cycles in LEADS]
            print(json.dumps(leads), flush=True)
        baselines.close()
    zygote.close()
    result = {"gpu": identity(), "torch": torch.__version__, "rows": rows, "leads": leads}
    (arguments.output / "clock_audit.json").write_text(json.dumps(result, indent=1))


def contestant(job: Job, baselines: Baselines, zygote: Zygote, code: str) -> Contestant:
    region = baselines.candidate_region
    region.poison([])
    runner = Runner(zygote, region, Limits(seconds=3600), hidden=hidden_paths(), cuda=True)
    key = instance_key(baselines.case)
    runner.load(code, "ModelNew")
    runner.instance(key, baselines.case.init)
    return Contestant("candidate", runner, region, Caller(job.problem, region), key, trusted=False)


def session(
    job: Job, baselines: Baselines, candidate: Contestant, seconds: float
) -> tuple[TimingSession, list[Contestant]]:
    del job
    candidate.clear()
    trusted = baselines.contestants()
    running = TimingSession(baselines.case, baselines.signature, [candidate, *trusted])
    running.run(candidate, trusted[0], seconds, baselines.most_calls)
    return running, trusted


def trials(
    job: Job, baselines: Baselines, zygote: Zygote, shortening: float, arguments: argparse.Namespace
) -> dict[str, Any]:
    code = job.code + (LIE.format(factor=1 - shortening) if shortening else "")
    candidate = contestant(job, baselines, zygote, code)
    disputed, residuals, bounds, samples, events = 0, [], [], [], []
    start = time.monotonic()
    for _ in range(arguments.trials):
        _, trusted = session(job, baselines, candidate, arguments.seconds)
        disputed += audit.disputed(candidate, trusted) is not None
        residuals.append(1e3 * audit.residual_ms(candidate, trusted))
        bounds.append(1e3 * audit.bound_ms(candidate, trusted))
        samples.append(len(candidate.event_ms))
        events.append(statistics.median(candidate.event_ms))
    candidate.runner.kill()
    return {
        "size": baselines.case.case.name,
        "shortened_by": shortening,
        "trials": arguments.trials,
        "disputed": disputed,
        "event_ms": statistics.median(events),
        "residual_us": [min(residuals), statistics.median(residuals), max(residuals)],
        "bound_us": [min(bounds), statistics.median(bounds), max(bounds)],
        "samples": statistics.median(samples),
        "seconds_a_trial": (time.monotonic() - start) / arguments.trials,
    }


def lead(
    job: Job, baselines: Baselines, zygote: Zygote, cycles: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Times of all roles with a given spin in front of each turn."""
    before, timing.LEAD_CYCLES = timing.LEAD_CYCLES, cycles
    candidate = contestant(job, baselines, zygote, job.code)
    _, trusted = session(job, baselines, candidate, 2 * arguments.seconds)
    candidate.runner.kill()
    timing.LEAD_CYCLES = before
    return {"lead_cycles": cycles} | {c.role: statistics.median(c.event_ms) for c in [candidate, *trusted]}


if __name__ == "__main__":
    main()
