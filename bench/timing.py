"""How good is the clock? Run on a CUDA GPU; each part writes a JSON file, row by row, and all
of them one table.

nsight           the judge's medians beside Nsight Compute's gpu__time_duration, from 5 us to 8 ms, in the
                 same memory, in several sessions with memory of their own
aa               the expert solution against itself: how often it is called a gain
power            a true gain of 3 % and a true loss of 2 %: how often they are called so
reproducibility  20 candidates judged twice in fresh processes, on the first GPU
identity         the reference handed in as the candidate, for ten operators
seed             eager, compile, current code, expert solution, copy and floor beside do_bench

Usage: python bench/timing.py --output FOLDER [--parts nsight,aa,...] [--pairs N] [--seconds S]
                              [--most-seconds S] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
from beside_nsight import nsight_ms
from sessions import Ring
from timing_code import COPY, DO_BENCH, OPERATOR, OPERATORS, SLOWED

from eval import Judge, JudgeFailedError, Verdict
from eval.judge.gpu import copy_gb_per_s, identity
from eval.judge.processes import Zygote
from eval.records import Job, Passed, Problem, SizeProfile, Timing
from harness.errors import EnvironmentFailure
from harness.executors import open_executor
from harness.machine import Profiler, profiler
from harness.problems import load_problem
from harness.prompts import load_stage

Rows = Iterator[dict[str, Any]]
SEED = load_problem("cumsum_exclusive")
assert SEED.solution is not None
assert SEED.current_code is not None
SOLUTION, CURRENT = SEED.solution.read_text(), SEED.current_code
MIN_GAIN = load_stage("final_micro_tuning").min_gain
SHAPES = {
    "5 us": (132, 4096), "10 us": (512, 4096), "50 us": (4096, 4096),
    "0.2 ms": (8192, 8192), "0.8 ms": (16384, 16384), "3 ms": (32768, 32768),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="time budget of one session")
    parser.add_argument("--most-seconds", type=float, default=3600.0, help="of all pairs of one row")
    parser.add_argument("--repeats", type=int, default=3, help="sessions beside Nsight Compute")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    here = identity() | {"torch": torch.__version__}
    for part in arguments.parts.split(","):
        rows = []
        for row in PARTS[part](arguments):
            rows.append(row)
            print(json.dumps(row), flush=True)
            text = json.dumps({"part": part, "machine": here, "rows": rows}, indent=1)
            (arguments.output / f"timing_{part}.json").write_text(text)
            write_table(arguments.output)


def shaped(name: str) -> Problem:
    """Return the seed's problem with one more official size."""
    rows, columns = SHAPES[name]
    size = SizeProfile(name=name, constants={"batch_size": rows, "input_shape": [columns], "dim": 1})
    return SEED.problem.model_copy(update={"sizes": (size,), "min_bytes": {}, "min_flops": {}})


def job_of(problem: Problem, code: str, **more: Any) -> Job:
    return Job(problem=problem, code=code, size=problem.sizes[0].name, min_gain=MIN_GAIN, **more)


def ring(job: Job, zygote: Zygote, shifted: int = 0, **roles: str) -> Ring:
    """Return the candidate of `job`, the reference or what stands for it, and further roles in turn."""
    made = Ring(job, zygote, 1 + len({"eager", *roles}), shifted)
    made.add("candidate", job.code, trusted=False)
    if "eager" not in roles:
        made.add("eager", made.baselines.case.source, "Model")
    for role, code in roles.items():
        made.add(role, code)
    return made


def nsight(arguments: argparse.Namespace) -> Rows:
    zygote, found = Zygote(cuda=True), profiler()
    kernels = [*((name, "solution", SOLUTION) for name in SHAPES), ("3 ms", "current", CURRENT)]
    for name, what, code in kernels:
        job, pairs, profiler_ms = job_of(shaped(name), code), [], None
        for _ in range(arguments.repeats):
            running = ring(job, zygote)
            timing = running.time(arguments.seconds)
            profiler_ms = running.profiled()
            pairs.append({"timing": timing, **beside_ncu(running, SHAPES[name], found)})
            running.close()
            torch.cuda.empty_cache()
        yield {"code": what, "shape": SHAPES[name], **compared(pairs), "profiler_ms": profiler_ms}
    zygote.close()


def compared(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over sessions, each in memory of its own, and of how the clocks differ in each."""
    medians = [pair["timing"].candidate_ms.median for pair in pairs]
    row = {
        "events_ms": statistics.median(medians), "events_by_session_ms": medians,
        "judge_ms": statistics.median(pair["timing"].judge_ms for pair in pairs),
        "samples": [pair["timing"].candidate_ms.samples for pair in pairs],
    }  # fmt: skip
    readings = [pair["ncu_ms"] for pair in pairs]
    if None in readings:
        return {**row, "ncu_ms": None, "why": "; ".join(pair.get("why", "") for pair in pairs)}
    differences = [ours - ncu for ours, ncu in zip(medians, readings, strict=True)]
    ncu_ms = statistics.median(readings)
    return {
        **row, "ncu_ms": ncu_ms, "ncu_by_session_ms": readings,
        "ncu_readings_ms": [pair["ncu_readings_ms"] for pair in pairs],
        "error_us": 1e3 * statistics.median(differences),
        "error_percent": 100 * statistics.median(differences) / ncu_ms,
    }  # fmt: skip


def beside_ncu(running: Ring, shape: tuple[int, int], found: Profiler) -> dict[str, Any]:
    try:
        readings = nsight_ms(running, shape, found)
    except (EnvironmentFailure, subprocess.SubprocessError) as error:
        return {"ncu_ms": None, "why": f"{error} {getattr(error, 'output', '') or ''}"}
    return {"ncu_ms": statistics.median(readings), "ncu_readings_ms": readings}


def called(running: Ring, pairs: int, seconds: float, most_seconds: float) -> list[Timing]:
    """Run sessions of `seconds`, as many as there is time for and two at least, and end the runners."""
    timings: list[Timing] = []
    deadline = time.monotonic() + most_seconds
    while len(timings) < min(2, pairs) or (len(timings) < pairs and time.monotonic() < deadline):
        timings.append(running.time(seconds))
    running.close()
    return timings


def decided(timings: list[Timing]) -> dict[str, Any]:
    """Count what was decided."""
    return {
        "pairs": len(timings),
        "decisions": Counter(str(timing.decision) for timing in timings),
        "median_ms": statistics.median(timing.candidate_ms.median for timing in timings),
        "gain": quantiles(gains(timings)),
        "samples": statistics.median(timing.candidate_ms.samples for timing in timings),
        "taken_off_us": quantiles([1e3 * timing.clock["event_ms"] for timing in timings]),
    }


def gains(timings: list[Timing]) -> list[float]:
    return [timing.speedup.current.median for timing in timings if timing.speedup.current is not None]


def quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=40, method="inclusive")
    return {"low_2.5": cuts[0], "median": statistics.median(values), "high_97.5": cuts[-1]}


def aa(arguments: argparse.Namespace) -> Rows:
    """Let the three that are the same take each of three places in turn, since places differ."""
    zygote, places = Zygote(cuda=True), 3
    for name in ("50 us", "3 ms"):
        job, by_place = job_of(shaped(name), SOLUTION), []
        timings: list[Timing] = []
        for shifted in range(places):
            running = ring(job, zygote, shifted, current=SOLUTION, eager=SOLUTION)
            pairs = max(1, arguments.pairs * (shifted + 1) // places - arguments.pairs * shifted // places)
            found = called(running, pairs, arguments.seconds, arguments.most_seconds / places)
            timings += found
            by_place.append(statistics.median(gains(found)))
        yield {"shape": SHAPES[name], **decided(timings), "gain_by_place": by_place}
    zygote.close()


def power(arguments: argparse.Namespace) -> Rows:
    zygote = Zygote(cuda=True)
    for what, share, candidate_is_slow in (("gain", 0.03, False), ("loss", 0.02, True)):
        slow = SOLUTION + SLOWED.format(share=share)
        code, current = (slow, SOLUTION) if candidate_is_slow else (SOLUTION, slow)
        running = ring(job_of(shaped("3 ms"), code), zygote, current=current, eager=SOLUTION)
        pairs = max(1, arguments.pairs // 2)
        timings = called(running, pairs, arguments.seconds, arguments.most_seconds)
        yield {"true": what, "more_rows": share, **decided(timings)}
    zygote.close()


def variants() -> dict[str, str]:
    """Return the expert solution with 20 configurations, by their names."""
    chosen = [
        (block, warps, stages)
        for block in (1024, 2048, 4096, 8192) for warps in (2, 4, 8, 16) for stages in (2, 4)
    ][:20]  # fmt: skip
    made = {
        f"{block} elements, {warps} warps, {stages} stages":
        SOLUTION.replace("min(8192,", f"min({block},").replace("num_warps=8", f"num_warps={warps}")
        .replace("STAGES=1", f"STAGES={stages}")
        for block, warps, stages in chosen
    }  # fmt: skip
    assert len(set(made.values())) == len(chosen), "what was to be replaced is not in the solution"
    return made


def reproducibility(_: argparse.Namespace) -> Rows:
    """Give each pass all its jobs at once: the judge prepares for the next while one is timed."""
    jobs = [job_of(shaped("0.8 ms"), code) for code in variants().values()]
    with open_executor(device="cuda", gpus="0") as executor:
        before = [judged(future) for future in [executor.submit(job) for job in jobs]]
    with open_executor(device="cuda", gpus="0") as executor:
        futures = [executor.submit(job) for job in jobs]
        for name, first, future in zip(variants(), before, futures, strict=True):
            yield {"code": name, **both(first, judged(future))}


def judged(future: Future[Verdict]) -> Verdict | JudgeFailedError:
    try:
        return future.result()
    except JudgeFailedError as error:
        return error


def both(*verdicts: Verdict | JudgeFailedError) -> dict[str, Any]:
    """Compare two verdicts on one candidate; one that is not passed says why, and counts if it was timed."""
    told = [outcome(verdict) for verdict in verdicts]
    timings = [verdict.timing for verdict in verdicts if not isinstance(verdict, JudgeFailedError)]
    gains = [timing.speedup.eager.median for timing in timings if timing and timing.speedup.eager]
    return {
        "speedups": gains, "ratio": gains[1] / gains[0] if len(gains) > 1 else None,
        "status": ", ".join(status for status, _ in told),
        "detail": "; ".join(detail for _, detail in told if detail),
    }  # fmt: skip


def outcome(verdict: Verdict | JudgeFailedError) -> tuple[str, str]:
    """Return the status of a verdict, or of none, and what went wrong."""
    if isinstance(verdict, JudgeFailedError):
        return "error (ours)", str(verdict)
    return verdict.status, "" if isinstance(verdict, Passed) else str(verdict.detail)


def identical(arguments: argparse.Namespace) -> Rows:
    zygote = Zygote(cuda=True)
    for name, expression in OPERATORS.items():
        reference = OPERATOR.format(expression=expression)
        problem = SEED.problem.model_copy(update={
            "name": name, "reference": reference, "sizes": (SizeProfile(name="full"),), "cases": (),
            "variants": (), "min_bytes": {}, "error_budget": {"float32": 1e6}, "error_scale": None,
            "row_overlap": None, "hash": f"identity {name}",
        })  # fmt: skip
        running = ring(job_of(problem, reference.replace("class Model(", "class ModelNew(")), zygote)
        timing = running.time(arguments.seconds)
        running.close()
        torch.cuda.empty_cache()
        ratio = timing.speedup.eager
        assert ratio is not None
        yield {
            "operator": name, "ms": timing.candidate_ms.median, "speedup": ratio.model_dump(),
            "holds_one": ratio.low <= 1 <= ratio.high,
        }  # fmt: skip
    zygote.close()


def seed(arguments: argparse.Namespace) -> Rows:
    with Judge("cuda") as judge:
        verdict = judge.evaluate(Job(problem=SEED.problem, code=SOLUTION, current_code=CURRENT))
    if not isinstance(verdict, Passed):
        yield {"what": "solution", "status": verdict.status, "detail": verdict.detail}
    timing = verdict.timing
    if timing is None:
        return
    scratch = arguments.output / "code"
    scratch.mkdir(exist_ok=True)
    texts = {"eager": SEED.problem.reference, "solution": SOLUTION, "current": CURRENT}
    for what, text in texts.items():
        (scratch / f"{what}.py").write_text(text)
    ours = {
        "eager": timing.eager_ms, "compile": timing.compile_ms,
        "current": timing.current_ms, "solution": timing.candidate_ms,
    }  # fmt: skip
    for what, quantity in ours.items():
        path = scratch / f"{what if what != 'compile' else 'eager'}.py"
        name = "Model" if what in {"eager", "compile"} else "ModelNew"
        done = subprocess.run(
            [sys.executable, "-c", DO_BENCH, str(path), name, "32768", "32768", what],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        median = quantity.model_dump() if quantity is not None else None
        yield {"what": what, "ours_ms": median, "do_bench_ms": json.loads(done.stdout)}
    yield {"what": "copy", **beside_a_copy(arguments.seconds)}
    yield {"what": "floor", "ms": timing.floor_ms, "copy_gb_per_s": copy_gb_per_s()}


def beside_a_copy(seconds: float) -> dict[str, Any]:
    """Time a plain copy in turns with the expert solution, in the place of the current code."""
    torch.cuda.empty_cache()
    job, zygote = job_of(SEED.problem, SOLUTION), Zygote(cuda=True)
    running = Ring(job, zygote, places=3)
    running.add("candidate", SOLUTION, trusted=False)
    running.add("eager", SEED.problem.reference, "Model")
    running.add("current", COPY, checked=False)
    timing = running.time(seconds)
    running.close()
    zygote.close()
    torch.cuda.empty_cache()
    copy, ratio = timing.current_ms, timing.speedup.current
    assert copy is not None
    assert ratio is not None
    return {
        "ours_ms": copy.model_dump(), "solution_ms": timing.candidate_ms.model_dump(),
        "over_solution": ratio.model_dump(),
    }  # fmt: skip


def write_table(folder: Path) -> None:
    """Write all parts that are there into one Markdown file."""
    lines = ["# How good the clock is", ""]
    for path in sorted(folder.glob("timing_*.json")):
        part = json.loads(path.read_text())
        if len(lines) == 2:
            lines += [", ".join(str(value) for value in part["machine"].values()), ""]
        columns = list(dict.fromkeys(key for row in part["rows"] for key in row))
        lines += [f"## {part['part']}", "", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
        lines += [f"| {' | '.join(cell(row.get(key)) for key in columns)} |" for row in part["rows"]]
        lines.append("")
    (folder / "timing.md").write_text("\n".join(lines))


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(cell, value))
    return "not measured" if value is None else " ".join(str(value).split()).replace("|", "\\|")


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "nsight": nsight, "aa": aa, "power": power, "reproducibility": reproducibility,
    "identity": identical, "seed": seed,
}  # fmt: skip


if __name__ == "__main__":
    main()
