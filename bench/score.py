"""How long 100,000 attempts take to be scored and ranked, and how much memory.

Usage: python bench/score.py [--attempts N] [--models N] [--problems N]
"""

import argparse
import random
import resource
import time
from collections.abc import Iterator

from harness.records import Facts
from harness.scores import both_tables

H100 = "NVIDIA H100 80GB HBM3"
KINDS = [("passed", None)] * 5 + [
    ("incorrect", "values"),
    ("rejected", "output_rules"),
    ("rejected", "tampering"),
    ("failed", "compile"),
    ("failed", "extract"),
]


def attempts(number: int, models: int, problems: int) -> Iterator[Facts]:
    draw = random.Random(7)
    for n in range(number):
        status, kind = draw.choice(KINDS)
        passed = status == "passed"
        speedup = draw.lognormvariate(0.2, 0.5) if passed else None
        yield Facts(
            id=f"{n:012x}", reply=str(n), model=f"model {n % models}", sample=n,
            problem=f"problem {n // models % problems}", problem_hash="h", stage="tuning",
            status=status, kind=kind, open=passed, stage_legal=passed and draw.random() < 0.5,
            judged_on="cuda" if passed else None, device="cuda", gpu=H100, size=None, rules="strict",
            evaluator="1", void=False, created=f"2026-06-01T12:{n:09d}",
            ms=9 / speedup if speedup else None, eager=speedup, compile=speedup and speedup / 2,
            current=speedup and speedup / 1.2, floor=speedup and speedup / 4, cost=0.01, tokens=4000,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--problems", type=int, default=100)
    options = parser.parse_args()
    facts = list(attempts(options.attempts, options.models, options.problems))
    start, spent = time.perf_counter(), time.process_time()
    rows, overall = both_tables(facts)
    end, used = time.perf_counter(), time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{len(facts)} attempts, {options.models} models, {options.problems} problems")
    print(f"{len(rows)} rows, {len(overall)} over all problems, scored and ranked in {end - start:.2f} s")
    print(f"{used:.2f} s of CPU time, of all cores together")
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
