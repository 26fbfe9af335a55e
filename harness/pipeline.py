"""From replies to verdicts: extract, skip what was judged before, judge the rest, keep every result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from eval import EVALUATOR_VERSION, Job, JudgeFailedError, Limits, Verdict
from eval.client import cuda_device_name
from eval.records import Failed, Record, RulesMode, Tracks
from eval.stage.records import StageRules
from harness.executors import LocalExecutor
from harness.extract import extract
from harness.files import read_text, text_hash
from harness.metrics import Metrics, load_metrics
from harness.problems import ProblemFolder, load_problem
from harness.prompts import Demand, Given, GpuSpec, Stage, demand, gpu_names, load_gpu, load_stage
from harness.prompts.dry import dry_occupancy
from harness.records import Attempt, Candidate, Reply
from harness.store import JudgeKey, Store, StoredReply

_AHEAD = 2


class JudgeSettings(Record):
    """How replies are judged."""

    problem: str | None = None
    """Where a reply names none."""
    stage: str | None = None
    device: Literal["cuda", "cpu"]
    size: str | None = None
    rules: RulesMode = "strict"
    code: Path | None = None
    """Current code, instead of the prompt's or the problem's own."""
    metrics: Path | None = None
    """Of that code, for the rules of the stage."""
    gpu: str | None = None
    """GPU of the prompt, where a reply names none."""
    timing: bool = True
    limits: Limits = Limits()
    require_sandbox: bool = False
    fresh: bool = False
    """Judge again what has a verdict."""


class Judged(NamedTuple):
    """One attempt, and whether its verdict was there before."""

    attempt: Attempt
    cached: bool


class _Work(NamedTuple):
    stored: StoredReply
    candidate: Candidate | None
    key: JudgeKey
    gpu: str | None
    """Of the prompt."""


class Pipeline:
    """Judges replies one after another and keeps each result before the next is asked for."""

    def __init__(self, settings: JudgeSettings, store: Store, run: str) -> None:
        self._settings, self._store, self._run = settings, store, run
        self._gpu_name = cuda_device_name() if settings.device == "cuda" else None
        self._problems: dict[str, ProblemFolder] = {}
        self._stages: dict[str, Stage] = {}
        self._metrics: dict[Path, Metrics] = {}
        self._occupancy: dict[tuple[str, str], dict[str, float] | None] = {}
        self._gpu = load_gpu(settings.gpu).name if settings.gpu else None
        if settings.metrics is not None:
            self._read_metrics(settings.metrics)

    def judge(self, replies: Iterable[Reply | StoredReply], slots: int = 1) -> Iterator[Judged]:
        """Yield attempts as they are done; those judged before come at once.

        A reply that is a row of the store already stays that row.
        """
        with LocalExecutor(self._settings.device, slots) as executor:
            yield from self.judge_with(executor, replies)

    def judge_with(self, executor: LocalExecutor, replies: Iterable[Reply | StoredReply]) -> Iterator[Judged]:
        """Do the same with judges that outlive it."""
        waiting: dict[Future[Verdict], _Work] = {}
        for reply in replies:
            done = self._begin(reply, executor, waiting)
            if done is not None:
                yield done
            while len(waiting) >= _AHEAD * executor.slots:
                yield from self._finish(waiting)
        while waiting:
            yield from self._finish(waiting)

    def _begin(
        self, given: Reply | StoredReply, executor: LocalExecutor, waiting: dict[Future[Verdict], _Work]
    ) -> Judged | None:
        reply = given.reply if isinstance(given, StoredReply) else given
        problem = self._problem(reply)
        stage = self._stage(reply)
        reply = reply.model_copy(update={"problem": problem.name, "stage": stage.name if stage else None})
        stored = given if isinstance(given, StoredReply) else self._store.save_reply(self._run, reply)
        found = extract(reply.text, is_code=reply.is_code)
        candidate = found if isinstance(found, Candidate) else None
        held_to = self._demand(reply, problem, stage)
        gpu = reply.gpu or self._gpu
        work = _Work(stored, candidate, self._key(reply, candidate, problem, stage, held_to), gpu)
        before = None if self._settings.fresh else self._store.find_verdict(work.key)
        if before is not None:
            return Judged(self._save(work, before), cached=True)
        if isinstance(found, Failed):
            tracks = Tracks(open=False, stage=False)
            return Judged(self._save(work, found.model_copy(update={"tracks": tracks})), cached=False)
        waiting[executor.submit(self._job(found, problem, stage, held_to))] = work
        return None

    def _finish(self, waiting: dict[Future[Verdict], _Work]) -> Iterator[Judged]:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            work = waiting.pop(future)
            try:
                attempt = self._save(work, future.result())
            except JudgeFailedError as error:
                attempt = self._save(work, None, error=str(error))
            yield Judged(attempt, cached=False)

    def _save(self, work: _Work, verdict: Verdict | None, error: str | None = None) -> Attempt:
        return self._store.save_attempt(
            self._run,
            work.stored,
            work.key,
            candidate=work.candidate,
            verdict=verdict,
            error=error,
            gpu=work.gpu,
        )

    def _problem(self, reply: Reply) -> ProblemFolder:
        name = reply.problem or self._settings.problem
        if name is None:
            from harness.errors import UsageError

            raise UsageError(f"{reply.source}: names no problem; add --problem NAME")
        if name not in self._problems:
            self._problems[name] = load_problem(name)
        return self._problems[name]

    def _stage(self, reply: Reply) -> Stage | None:
        name = self._settings.stage or reply.stage
        if name is None:
            return None
        if name not in self._stages:
            self._stages[name] = load_stage(name)
        return self._stages[name]

    def _demand(self, reply: Reply, problem: ProblemFolder, stage: Stage | None) -> Demand:
        code = self._settings.code or (Path(reply.code_file) if reply.code_file else None)
        metrics = self._settings.metrics or (Path(reply.metrics_file) if reply.metrics_file else None)
        given = Given(
            code=read_text(code) if code else None,
            metrics=self._read_metrics(metrics) if metrics else None,
            gpu=load_gpu(reply.gpu).name if reply.gpu else self._gpu,
        )
        prompt = self._store.prompt(reply.prompt_hash) if reply.prompt_hash else None
        return demand(problem, stage, given, prompt)

    def _read_metrics(self, path: Path) -> Metrics:
        if path not in self._metrics:
            self._metrics[path] = load_metrics(path)
        return self._metrics[path]

    def _key(
        self,
        reply: Reply,
        candidate: Candidate | None,
        problem: ProblemFolder,
        stage: Stage | None,
        held_to: Demand,
    ) -> JudgeKey:
        text = candidate.code if candidate is not None else reply.text
        return JudgeKey(
            candidate_hash=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            problem=problem.name,
            problem_hash=problem.problem.hash,
            stage=stage.name if stage else None,
            stage_hash=stage.hash if stage else None,
            current_hash=text_hash(held_to.code) if held_to.code else None,
            context_hash=held_to.hash,
            rules=self._settings.rules,
            device=self._settings.device,
            size=self._settings.size,
            evaluator=EVALUATOR_VERSION,
            gpu_name=self._gpu_name,
        )

    def _rules(self, problem: ProblemFolder, held_to: Demand) -> StageRules | None:
        """Return the stage's rules, with what a dry launch of the current code shows where they ask."""
        if not held_to.wants_occupancy or held_to.rules is None:
            return held_to.rules
        assert held_to.code is not None
        assert held_to.gpu is not None
        key = (text_hash(held_to.code), held_to.gpu)
        if key not in self._occupancy:
            spec = self._gpu_spec(held_to.gpu)
            self._occupancy[key] = dry_occupancy(problem.problem, held_to.code, spec) if spec else None
        return held_to.rules.model_copy(update={"occupancy": self._occupancy[key]})

    def _gpu_spec(self, name: str) -> GpuSpec | None:
        """Return a GPU by the name that its file gave it; None for a reply's own file, which is not kept."""
        if self._settings.gpu is not None and name == self._gpu:
            return load_gpu(self._settings.gpu)
        return load_gpu(name) if name in gpu_names() else None

    def _job(self, candidate: Candidate, problem: ProblemFolder, stage: Stage | None, held_to: Demand) -> Job:
        settings = self._settings
        return Job(
            problem=problem.problem, code=candidate.code, language=candidate.language,
            current_code=held_to.code, min_gain=stage.min_gain if stage else None,
            stage_rules=self._rules(problem, held_to), device=settings.device, size=settings.size,
            rules=settings.rules, audits=settings.rules != "off", limits=settings.limits,
            timing=settings.timing, require_sandbox=settings.require_sandbox,
        )  # fmt: skip
