"""How many candidates a minute are judged, and how busy the GPUs are meanwhile.

Parts: `static` (the command `check` on 10,000 replies), `interpreter` (all sample replies on
the CPU), `gpu` (one problem at full timing, beside a naive harness on three of the same candidates) and
`problems` (every problem of the project with its own answers). For several GPUs and for Ray run `gpu`
with --gpus 0, then 0,1 and so on, or with --executor, and compare; --seconds repeats the list so long.
Interrupted or terminated, it says what there is by then.

Usage: python bench/throughput.py --output FOLDER --parts static,interpreter,gpu [--size full] [--gpus 0,1]
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from naive import naive_seconds
from steady import Busy, rate, steady, window

from eval.records import BaselinesMode
from eval.rules import check_code, static_verdict
from harness.executors import Executor, open_executor
from harness.extract import extract
from harness.pipeline import JudgeSettings, Pipeline
from harness.problems import load_problem, problem_names
from harness.records import Candidate, Reply
from harness.store import Store

ROOT = Path(__file__).resolve().parent.parent
PROBLEM, STAGE, GPU = "cumsum_exclusive", "final_micro_tuning", "4090"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--parts", default="static,interpreter")
    parser.add_argument("--replies", type=int, default=10_000, help="of the static part")
    parser.add_argument("--jobs", type=int, default=2, help="processes or judges on the CPU")
    parser.add_argument("--size", default="full")
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--naive", type=int, default=3, help="candidates that the naive harness judges, too")
    parser.add_argument("--seconds", type=float, default=0.0, help="repeat the list at least so long")
    parser.add_argument("--gpus", default=None)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--baselines", choices=("live", "session"), default="live")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.output.mkdir(parents=True, exist_ok=True)
    parts = {"static": static, "interpreter": interpreter, "gpu": gpu, "problems": problems}
    result: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    for name in options.parts.split(","):
        result[name] = parts[name](options)
        print(table(name, result[name]), flush=True)
        (options.output / "throughput.json").write_text(json.dumps(result, indent=2) + "\n")


def static(options: argparse.Namespace) -> dict[str, Any]:
    """Time `check` on replies in a file, and beside it Python's parser on the code in them."""
    texts = sample_replies()
    many = [distinct(texts[number % len(texts)], number) for number in range(options.replies)]
    found: dict[str, Any] = {"replies": options.replies, "processes": options.jobs}
    codes = [candidate.code for text in many if isinstance(candidate := extract(text), Candidate)]
    start = time.process_time()
    for code in codes:
        ast.parse(code)
    parser_s = time.process_time() - start
    found["parser_cpu_ms_a_reply"] = parser_s * 1e3 / options.replies
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "replies.jsonl"
        lines = ({"model": "bench", "sample": number, "reply": text} for number, text in enumerate(many))
        place.write_text("".join(json.dumps(line) + "\n" for line in lines))
        stage = ["--stage", STAGE, "--gpu", GPU]
        for name, words in (("output_rules", []), ("output_and_stage_rules", stage)):
            found[name] = check_command([place, "--jobs", options.jobs, *words], len(many), parser_s)
            found[name]["cpu_ms_a_reply"] = found[name].pop("cpu_s") * 1e3 / options.replies
    return found


def check_command(words: list[Any], replies: int, parser_s: float) -> dict[str, Any]:
    """Run `check` from its start to its end, and count what it says of the replies."""
    used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "harness", "check", "--problem", PROBLEM, "--json", *map(str, words)]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True).stdout
    seconds = time.perf_counter() - start
    outcomes = Counter(outcome(json.loads(line)) for line in printed.splitlines())
    if outcomes.total() != replies:
        raise RuntimeError(f"check spoke of {outcomes.total()} of {replies} replies")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "times_the_parser": cpu_s / parser_s,
        "outcomes": dict(outcomes),
    }


def outcome(line: dict[str, Any]) -> str:
    if line["phase"] == "extract":
        return "nothing extracted"
    if line["status"] != "passed":
        return "refused"
    if line["stage"] is None:
        return "accepted"
    return {True: "legal", False: "breaks the stage", None: "undecided"}[line["tracks"]["stage"]]


class StoppedError(Exception):
    """The measurement was interrupted; judges that are at work are not waited for."""

    def __init__(self, found: dict[str, Any]) -> None:
        """`found` is what there was by then."""
        super().__init__("interrupted")
        self.found = found


def with_judges(opened: Executor, measure: Callable[[Executor], dict[str, Any]]) -> dict[str, Any]:
    """Measure with an executor that is closed then; interrupted, return what there is at once."""
    found = None
    try:
        with opened as executor:
            found = measure(executor)
    except StoppedError as stopped:
        return stopped.found
    except KeyboardInterrupt:  # while it was closed
        if found is None:
            raise
    return found


def interpreter(options: argparse.Namespace) -> dict[str, Any]:
    replies = [reply(PROBLEM, text, number, STAGE) for number, text in enumerate(sample_replies())]
    opened = open_executor("local", "cpu", jobs=options.jobs)
    return with_judges(opened, lambda executor: judged(executor, replies, None))


def gpu(options: argparse.Namespace) -> dict[str, Any]:
    codes = [text for text in sample_replies() if accepted(text)]
    wanted = [distinct(codes[number % len(codes)], number) for number in range(options.candidates)]

    def measure(executor: Executor) -> dict[str, Any]:
        replies = [reply(PROBLEM, text, number, STAGE) for number, text in enumerate(wanted)]
        found = judged(executor, replies, options.size, options.baselines)
        while found["seconds"] < options.seconds:
            times = 1 + int(options.seconds / found["seconds"])
            more = [distinct(text, number) for number, text in enumerate(wanted * times, len(wanted))]
            replies = [reply(PROBLEM, text, number, STAGE) for number, text in enumerate(more)]
            found = judged(executor, replies, options.size, options.baselines)
        return found

    found = with_judges(open_executor(options.executor, "cuda", gpus=options.gpus), measure)
    count = options.naive if found["candidates"] == found["of"] else 0
    naive = naive_seconds(
        load_problem(PROBLEM).problem, [candidate_code(text) for text in wanted[:count]], options.size
    )
    ratio = statistics.median(naive) / found["steady_s"]["median"] if naive else None
    return {
        "size": options.size,
        "baselines": options.baselines,
        **found,
        "naive_s": naive,
        "times_faster": ratio,
    }


def problems(options: argparse.Namespace) -> dict[str, Any]:
    replies: list[Reply] = []
    for name in problem_names():
        folder = load_problem(name)
        own = [folder.solution.read_text()] if folder.solution is not None else []
        own += [folder.current_code] if folder.current_code is not None else []
        replies += [reply(name, text, len(replies) + n, None, is_code=True) for n, text in enumerate(own)]
    opened = open_executor(options.executor, "auto", jobs=options.jobs, gpus=options.gpus)
    return with_judges(opened, lambda executor: judged(executor, replies, None))


def judged(
    executor: Executor, replies: list[Reply], size: str | None, baselines: BaselinesMode = "live"
) -> dict[str, Any]:
    """Judge replies as the command does, and say how long each took once the first was there.

    Raises:
        StoppedError: the measurement was interrupted, and something was there by then.

    """
    settings = JudgeSettings(device=executor.device, size=size, gpu=GPU, baselines=baselines)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray takes it for itself
    stopped = False
    done: list[float] = []
    outcomes: dict[int, str] = {}
    took: dict[int, float | None] = {}
    timed_beside: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "bench.db") as store:
        before = sum(state.busy_s for state in executor.states())
        start = time.perf_counter()
        with store.run("bench") as run, Busy() as busy:
            try:
                for one in Pipeline(settings, store, run).judge_with(executor, replies):
                    done.append(time.perf_counter() - start)
                    verdict = one.attempt.verdict
                    kind = getattr(verdict, "reason", None) or getattr(verdict, "phase", None)
                    status = verdict.status if verdict is not None else "error"
                    outcomes[one.attempt.reply.sample] = f"{status}: {kind}" if kind else status
                    took[one.attempt.reply.sample] = verdict.seconds if verdict is not None else None
                    timing = getattr(verdict, "timing", None)
                    timed_beside.update([timing.baselines] if timing is not None else [])
            except KeyboardInterrupt:
                if not done:
                    raise
                stopped = True
        slots = sum(state.busy_s for state in executor.states()) - before
    within = window(done, executor.slots)
    looked_at = within or range(len(done))
    found = {
        "candidates": len(done), "of": len(replies), "slots": executor.slots, "seconds": done[-1],
        "per_minute": 60 * len(done) / done[-1], "first_s": done[0],
        "outcomes": dict(Counter(outcomes.values())), "by_candidate": [outcomes[n] for n in sorted(outcomes)],
        "judge_s_by_candidate": [took[n] for n in sorted(took)], "timed_beside": dict(timed_beside),
        "steady_s": steady(done), "steady": rate(done, within),
        "slots_busy": slots / (done[-1] * executor.slots),
        "gpu_busy": busy.share(start + done[looked_at[0]], start + done[looked_at[-1]]),
    }  # fmt: skip
    if stopped:
        raise StoppedError(found)
    return found


def accepted(text: str) -> bool:
    """Tell whether the output rules let the code of a reply run."""
    found = extract(text)
    return isinstance(found, Candidate) and static_verdict(check_code(found.code, mode="strict")) is None


def sample_replies() -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "tests/replies").glob("*.md"))]


def candidate_code(text: str) -> str:
    found = extract(text)
    assert isinstance(found, Candidate)
    return found.code


def distinct(text: str, number: int) -> str:
    """Give the code of a reply a docstring of its own, so that it is nobody's twin."""
    return text.replace("```python\n", f'```python\n"""Number {number}."""\n', 1)


def reply(problem: str, text: str, number: int, stage: str | None, *, is_code: bool = False) -> Reply:
    return Reply(
        model="bench", sample=number, text=text, problem=problem, stage=stage, is_code=is_code,
        source=f"{problem} {number}",
    )  # fmt: skip


def table(name: str, result: dict[str, Any]) -> str:
    rows = [
        f"{key}: {value:.3f}" if isinstance(value, float) else f"{key}: {value}"
        for key, value in result.items()
    ]
    return "\n  ".join([name, *rows])


if __name__ == "__main__":
    main()
