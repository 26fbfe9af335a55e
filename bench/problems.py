"""Times of every problem's expert solution beside eager, `torch.compile`, its current code, copy and floor.

Run on CUDA GPUs, all of them or those of --gpus; writes one JSON file, one file with every verdict, and one
Markdown table. Where the floor is set by arithmetic, eager is what cuBLAS or SDPA reaches.

Usage: python bench/problems.py --output FOLDER [--problems softmax,matmul] [--size NAME] [--gpus 0,1]
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from eval import JudgeFailedError
from eval.records import Job, Timing, Verdict
from harness.executors import open_executor
from harness.problems import load_problem, problem_names

BEST = 1.005
"""A speed-up that counts as beating: above what two measurements of one code differ by."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--problems", default=None)
    parser.add_argument("--size", default=None)
    parser.add_argument("--gpus", default=None)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    names = options.problems.split(",") if options.problems else problem_names()
    rows: list[dict[str, Any]] = []
    machine: dict[str, Any] = {}
    start = time.perf_counter()
    with (
        open_executor("local", "cuda", gpus=options.gpus) as executor,
        (options.output / "problems.jsonl").open("w") as verdicts,
    ):
        futures = {executor.submit(job_of(name, options.size)): name for name in names}
        for future in as_completed(futures):
            name = futures[future]
            try:
                verdict = future.result()
            except JudgeFailedError as error:
                rows.append({"problem": name, "verdict": "error (ours)", "detail": str(error)})
            else:
                machine = vars(verdict.environment) if verdict.environment is not None else machine
                verdicts.write(json.dumps({"problem": name, **verdict.model_dump(mode="json")}) + "\n")
                verdicts.flush()
                rows.append(row(name, verdict))
            print(json.dumps(rows[-1]), flush=True)
            seconds = time.perf_counter() - start
            write(
                options.output, sorted(rows, key=lambda one: one["problem"]), machine, executor.slots, seconds
            )


def job_of(name: str, size: str | None) -> Job:
    folder = load_problem(name)
    assert folder.solution is not None, f"{name} has no expert solution"
    sizes = [profile.name for profile in folder.problem.sizes]
    return Job(
        problem=folder.problem, code=folder.solution.read_text(), current_code=folder.current_code,
        size=size if size in sizes else None, device="cuda",
    )  # fmt: skip


def row(name: str, verdict: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = {"problem": name, "verdict": verdict.status, "seconds": verdict.seconds}
    timing = verdict.timing
    if timing is None:
        return found | {"detail": verdict.detail}
    compared = {
        role: None if ratio is None else [round(ratio.low, 4), round(ratio.median, 4), round(ratio.high, 4)]
        for role, ratio in vars(timing.speedup).items()
    }
    return found | {
        "robust": verdict.robust, "size": verdict.size, "expert_ms": timing.candidate_ms.model_dump(),
        "eager_ms": timing.eager_ms.median, "compile_ms": median(timing.compile_ms),
        "current_ms": median(timing.current_ms), "floor_ms": timing.floor_ms,
        "fraction_of_floor": timing.fraction_of_floor, "gb_per_s": timing.gb_per_s,
        "tflop_per_s": tflop_per_s(timing), "speedup": compared, "stable": timing.stable,
        "compile_note": timing.compile_note, "hard_limit_ms": timing.hard_limit_ms,
    }  # fmt: skip


def median(quantity: Any) -> float | None:
    return None if quantity is None else quantity.median


def tflop_per_s(timing: Timing) -> float | None:
    return None if timing.flops is None else timing.flops / timing.candidate_ms.median / 1e9


def write(
    folder: Path, rows: list[dict[str, Any]], machine: dict[str, Any], gpus: int, seconds: float
) -> None:
    """Write the JSON file and the table, after every problem."""
    beaten = sum((r.get("speedup") or {}).get("compile", [0])[0] > BEST for r in rows if r.get("compile_ms"))
    result = {"machine": machine, "gpus": gpus, "seconds": seconds, "beat_compile": beaten, "rows": rows}
    (folder / "problems.json").write_text(json.dumps(result, indent=1) + "\n")
    columns = ("eager", "compile", "current", "expert", "floor")
    lines = [
        ", ".join(str(value) for value in machine.values()), "",
        f"| problem | verdict | {' | '.join(f'{c} ms' for c in columns)} | of the floor | GB/s | TFLOP/s |",
        "| --- " * (len(columns) + 5) + "|",
    ]  # fmt: skip
    for found in rows:
        times = [found.get(f"{column}_ms") for column in columns]
        times = [value["median"] if isinstance(value, dict) else value for value in times]
        cells = [*times, found.get("fraction_of_floor"), found.get("gb_per_s"), found.get("tflop_per_s")]
        texts = ["not measured" if value is None else f"{value:.4g}" for value in cells]
        lines.append(f"| {found['problem']} | {found['verdict']} | {' | '.join(texts)} |")
    lines += ["", f"{beaten} of {len(rows)} beat `torch.compile` (the low end of the interval above {BEST})."]
    (folder / "problems.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
