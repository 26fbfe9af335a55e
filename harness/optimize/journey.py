"""The way through the stages. The same plan on the same store goes on where it was left.

Replies are kept under their prompts, verdicts under all that decides them, and prompts are made from those
and from the metrics in the plan's folder, so a second run walks the same way without asking, judging or
profiling again what is there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.executors import LocalExecutor
from harness.files import write_text
from harness.llm import Budget as CallBudget
from harness.llm import Order, Purse, collect_orders
from harness.llm.prices import guess_tokens
from harness.machine import profiler
from harness.metrics import load_metrics
from harness.optimize.choose import best_of, gain, kept, to_repair
from harness.optimize.evidence import Evidence, same_gpu
from harness.optimize.records import Plan, Step, Summary
from harness.pipeline import JudgeSettings, Pipeline
from harness.problems import load_problem
from harness.prompts import Stage, feedback, history, load_gpu, load_stage, render_prompt
from harness.records import Attempt, Prompt, Reply
from harness.store import Store, StoredReply

REPAIR = "repair"
Say = Callable[[str], None]


class Journey:
    """One optimisation under way."""

    def __init__(
        self, plan: Plan, store: Store, run: str, device: Literal["cuda", "cpu"], say: Say = lambda _: None
    ) -> None:
        """`say` hears a line for each round."""
        self._plan, self._store, self._run, self._device, self._say = plan, store, run, device, say
        self._problem, self._gpu = load_problem(plan.problem), load_gpu(plan.gpu)
        self._problem.check_size(plan.size)
        self._stages = [load_stage(name) for name in plan.stages]
        if plan.metrics is not None:
            load_metrics(plan.metrics)
        profiled = plan.profile and device == "cuda" and same_gpu(self._gpu)
        self._evidence = Evidence(plan, self._problem, self._gpu, profiler() if profiled else None, say)
        self._code = plan.code_of(self._problem)
        self._file = self._written("start.py", self._code) if self._code is not None else None
        self._ms: float | None = None
        self._floor_ms: float | None = None
        self._used: Counter[str] = Counter()
        self._attempts: list[Attempt] = []
        self._steps: list[Step] = []
        self._tokens, self._cost = 0, 0.0
        self._start = time.monotonic()
        self._stopped_by: str | None = None

    def steps(self) -> Iterator[Step]:
        """Yield what came of each stage, until all are tried or the budget is spent.

        Raises `UsageError` and `EnvironmentFailure` as `collect_orders` does.
        """
        with LocalExecutor(self._device) as executor:
            for number, stage in enumerate(self._stages, start=1):
                if self._spent():
                    return
                step = self._stage(number, stage, executor)
                self._steps.append(step)
                yield step

    def summary(self) -> Summary:
        """Return where it stands."""
        best = self._written("best.py", self._code) if self._code is not None else None
        return Summary(
            steps=tuple(self._steps),
            best=best,
            ms=self._ms,
            floor_ms=self._floor_ms,
            attempts=len(self._attempts),
            tokens=self._tokens,
            cost=self._cost,
            stopped_by=self._stopped_by,
        )

    def _stage(self, number: int, stage: Stage, executor: LocalExecutor) -> Step:
        metrics = self._evidence.metrics(self._code, stage)
        try:
            prompt = self._prompt(stage, self._code, metrics=metrics)
        except UsageError as error:
            return Step(stage=stage.name, kept=False, before_ms=self._ms, note=str(error))
        tried = self._round(prompt, stage, metrics, executor)
        chosen = self._kept(tried)
        repairs = 0
        while chosen is None and repairs < self._plan.repairs and not self._spent():
            failure = to_repair(tried, self._plan.rules)
            if failure is None or failure.candidate is None:
                break
            repairs += 1
            prompt = self._prompt(load_stage(REPAIR), failure.candidate.code, failure=failure)
            again = self._round(prompt, stage, metrics, executor)
            chosen = self._kept(again)
            tried = [*tried, *again]
        return self._told(number, stage, tried, chosen, repairs)

    def _kept(self, attempts: list[Attempt]) -> Attempt | None:
        return kept(attempts, self._plan.rules, has_current=self._code is not None)

    def _prompt(
        self, stage: Stage, code: str | None, *, metrics: Path | None = None, failure: Attempt | None = None
    ) -> Prompt:
        return render_prompt(
            problem=self._problem,
            stage=stage,
            gpu=self._gpu,
            code=code,
            metrics=load_metrics(metrics) if metrics is not None else None,
            feedback=feedback(failure, self._evidence.builds(failure)) if failure is not None else None,
            history=history(self._attempts) or None,
        )

    def _round(
        self, prompt: Prompt, stage: Stage, metrics: Path | None, executor: LocalExecutor
    ) -> list[Attempt]:
        """Ask for the samples of one prompt and judge them by the rules of `stage`."""
        first = self._used[prompt.stage]
        samples = tuple(range(first, first + self._allowed()))
        self._used[prompt.stage] += len(samples)
        replies = self._replies(Order(spec=self._plan.spec, prompts=(prompt,), samples=samples))
        settings = JudgeSettings(
            problem=self._plan.problem,
            stage=str(stage.path),
            device=self._device,
            size=self._plan.size,
            rules=self._plan.rules,
            code=self._file,
            metrics=metrics,
            gpu=self._plan.gpu,
            limits=self._plan.limits,
        )
        judged = Pipeline(settings, self._store, self._run).judge_with(executor, replies)
        attempts = sorted((one.attempt for one in judged), key=lambda attempt: attempt.reply.sample)
        self._attempts += attempts
        verdicts = [attempt.verdict for attempt in attempts if attempt.verdict is not None]
        passed = sum(verdict.status == "passed" for verdict in verdicts)
        self._say(f"{stage.name}: {passed} of {len(attempts)} passed" + self._repairing(prompt, stage))
        return attempts

    @staticmethod
    def _repairing(prompt: Prompt, stage: Stage) -> str:
        return " after a repair" if prompt.stage != stage.name else ""

    def _replies(self, order: Order) -> list[StoredReply]:
        budget = self._plan.budget
        left = CallBudget(
            max_tokens=None if budget.tokens is None else max(0, budget.tokens - self._tokens),
            max_cost=None if budget.cost is None else max(0.0, budget.cost - self._cost),
        )
        purse = Purse(left)
        with closing(collect_orders([order], self._store, self._run, purse=purse)) as outcomes:
            got = [outcome for outcome in outcomes if outcome.kind in {"received", "kept"}]
        for outcome in got:
            self._tokens += _tokens(order.prompts[0], outcome.stored.reply)
            self._cost += outcome.stored.cost or 0.0
        self._stopped_by = self._stopped_by or purse.stopped_by
        return [self._placed(outcome.stored) for outcome in got]

    def _placed(self, stored: StoredReply) -> StoredReply:
        """Return a reply with the problem and GPU as the plan names them, which may be files."""
        named = {"problem": self._plan.problem, "gpu": self._plan.gpu}
        return stored.model_copy(update={"reply": stored.reply.model_copy(update=named)})

    def _allowed(self) -> int:
        most = self._plan.budget.attempts
        left = self._plan.samples if most is None else most - len(self._attempts)
        return max(0, min(self._plan.samples, left))

    def _spent(self) -> bool:
        """Tell whether a limit is reached, and note which."""
        budget = self._plan.budget
        limits = {
            "attempts": (budget.attempts, len(self._attempts)),
            "tokens": (budget.tokens, self._tokens),
            "cost": (budget.cost, self._cost),
            "minutes": (budget.minutes, (time.monotonic() - self._start) / 60),
        }
        reached = (name for name, (limit, value) in limits.items() if limit is not None and value >= limit)
        self._stopped_by = self._stopped_by or next(reached, None)
        return self._stopped_by is not None

    def _told(
        self, number: int, stage: Stage, tried: list[Attempt], chosen: Attempt | None, repairs: int
    ) -> Step:
        shown = chosen or best_of(tried, self._plan.rules)
        verdict = shown.verdict if shown is not None else None
        timing = verdict.timing if verdict is not None else None
        step = Step(
            stage=stage.name,
            kept=chosen is not None,
            attempt=shown.id if shown is not None else None,
            status=verdict.status if verdict is not None else None,
            decision=timing.decision if timing is not None else None,
            before_ms=self._before(tried),
            ms=timing.candidate_ms.median if timing is not None else None,
            speedup_current=(gain(shown) or None) if shown is not None else None,
            attempts=len(tried),
            repairs=repairs,
            note=None if chosen is not None else _why_not(tried, shown),
        )
        if timing is not None:
            self._floor_ms = timing.floor_ms
        if chosen is not None and chosen.candidate is not None:
            self._code, self._ms = chosen.candidate.code, step.ms
            self._file = self._written(f"{number:02d}_{stage.name}.py", self._code)
        elif self._ms is None:
            self._ms = step.before_ms
        return step

    def _before(self, tried: list[Attempt]) -> float | None:
        """Return the time of the current code, as it was measured beside the candidates."""
        timings = [attempt.verdict.timing for attempt in tried if attempt.verdict is not None]
        current = [timing.current_ms.median for timing in timings if timing is not None and timing.current_ms]
        return current[0] if current else self._ms

    def _written(self, name: str, code: str) -> Path:
        path = self._plan.folder / name
        write_text(path, code)
        return path


def _tokens(prompt: Prompt, reply: Reply) -> int:
    """Return what the endpoint counted, or a guess where it counts nothing."""
    counted = reply.usage.get("total_tokens")
    return counted if isinstance(counted, int) else guess_tokens(prompt.text) + guess_tokens(reply.text)


def _why_not(tried: list[Attempt], shown: Attempt | None) -> str:
    if not tried:
        return "no reply came"
    if shown is None or shown.verdict is None:
        return f"the harness failed: {shown.error if shown is not None else tried[0].error}"
    verdict = shown.verdict
    if verdict.status != "passed":
        return f"nothing passed; the nearest: {verdict.detail or verdict.status}"[:300]
    broken = sorted({found.rule for found in verdict.violations if found.severity == "error"})
    if broken:
        return f"breaks the stage: {', '.join(broken)}"
    if verdict.tracks.stage is None:
        return "whether it keeps to the stage is not decided"
    return "no gain beyond doubt over the current code"
