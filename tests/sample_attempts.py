"""Attempts made to measure, for the tests of scores, leaderboard and report."""

from eval.records import (
    Environment,
    Failed,
    Incorrect,
    KernelTime,
    Passed,
    Quantity,
    Ratio,
    Rejected,
    Speedup,
    Timing,
    Tracks,
)
from harness.records import Attempt, Candidate, Prompt, Reply
from harness.store import JudgeKey, Store

H100 = "NVIDIA H100 80GB HBM3"
CODE = "import torch\nx = 1\nclass ModelNew: ...\n"


def quantity(median):
    return Quantity(median=median, low=median * 0.99, high=median * 1.01, samples=40)


def timing(eager, compile_=None, current=None, *, fraction=None, **fields):
    """Return a timing with these speed-ups; a call takes 9 ms eager."""

    def ratio(value):
        return None if value is None else Ratio(median=value, low=value, high=value)

    values = {
        "candidate_ms": quantity(9.0 / eager),
        "eager_ms": quantity(9.0),
        "compile_ms": None if compile_ is None else quantity(9.0 / eager * compile_),
        "current_ms": None if current is None else quantity(9.0 / eager * current),
        "floor_ms": 2.84,
        "fraction_of_floor": fraction,
        "speedup": Speedup(eager=ratio(eager), compile=ratio(compile_), current=ratio(current)),
        "kernels": (KernelTime(name="scan_kernel", ms=1.0, share=0.9, own=True),),
    }
    return Timing(**(values | fields))


def environment(gpu=None):
    return Environment(evaluator="0.1.0", python="3.12.3", torch="2.11.0", triton="3.6.0", gpu=gpu)


def passed(time=None, *, device="cuda", gpu=H100, stage=True, open_=True, **fields):
    where = {"environment": environment(gpu)} if device == "cuda" else {}
    return Passed(device=device, timing=time, tracks=Tracks(open=open_, stage=stage), **(where | fields))


def incorrect(reason="values", *, device="cuda", gpu=H100, **fields):
    where = {"environment": environment(gpu)} if device == "cuda" else {}
    return Incorrect(reason=reason, device=device, tracks=Tracks(open=False, stage=False), **(where | fields))


def rejected(reason="output_rules", **fields):
    return Rejected(reason=reason, tracks=Tracks(open=False, stage=False), **fields)


def failed(phase="extract", **fields):
    return Failed(phase=phase, tracks=Tracks(open=False, stage=False), **fields)


def attempt(number, verdict, *, model="m", stage="tuning", run="r1", problem="scan", text=None, **fields):
    values = {
        "id": f"{number:06x}",
        "run": run,
        "reply": Reply(
            model=model, sample=number, text=text or f"```python\n{CODE}```\n", source=f"{number}.md"
        ),
        "candidate": Candidate(code=CODE, first_line=2),
        "problem": problem,
        "stage": stage,
        "gpu": "4090",
        "verdict": verdict,
        "error": None if verdict else "EnvironmentFailure: the driver went away",
        "evaluator": "0.1.0",
        "device": verdict.device if verdict and verdict.device else "cuda",
        "created": f"2026-06-01T12:00:{number % 60:02d}.000Z",
    }
    values |= fields
    if values["device"] == "cuda":
        seen = verdict.environment if verdict else None
        values.setdefault("gpu_name", seen.gpu if seen else H100)
    return Attempt(**values)


def prompt(text="Make the scan faster."):
    return Prompt(hash="p" * 64, text=text, problem="scan", stage="tuning", gpu="4090", code="import torch\n")


def key_of(row, problem_hash="h"):
    return JudgeKey(
        candidate_hash=f"{row.id}{row.created}",
        problem=row.problem,
        problem_hash=problem_hash,
        stage=row.stage,
        device=row.device,
        size=row.size,
        rules=row.rules,
        gpu_name=row.gpu_name,
        evaluator=row.evaluator,
        baselines=row.baselines,
    )


def filled(path, rows, problem_hash="h"):
    """Return an open store that holds these attempts, in one run."""
    store = Store(path)
    with store.run("kernel-harness eval replies") as run, store.together():
        store.save_prompt(prompt())
        for row in rows:
            store.save_attempt(
                run,
                store.save_reply(run, row.reply),
                key_of(row, problem_hash),
                candidate=row.candidate,
                verdict=row.verdict,
                error=row.error,
                gpu=row.gpu,
            )
    return store
