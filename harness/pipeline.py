"""From replies to verdicts: extract, skip what was judged before, judge the rest, keep every result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from eval import EVALUATOR_VERSION, Job, JudgeFailedError, Verdict
from eval.records import Failed, Tracks
from harness.data_files import DataFiles
from harness.errors import EnvironmentFailure
from harness.executors import Executor, NoSlotError, open_executor
from harness.executors.threads import to_stderr
from harness.extract import extract
from harness.files import read_text, text_hash
from harness.jobs import JobMaker, JobSettings
from harness.problems import ProblemFolder
from harness.prompts import Demand, Given, GpuSpec, Stage, demand
from harness.records import Attempt, Candidate, Reply
from harness.store import JudgeKey, Store, StoredReply
from harness.twins import meaning, shared

_AHEAD = 7
"""Replies given to the executor for each slot: one is judged, five are announced to its judge, one makes up
for the time until the next is read."""


class JudgeSettings(JobSettings):
    """How replies are judged."""

    problem: str | None = None
    """Where a reply names none."""
    stage: str | None = None
    code: Path | None = None
    """Current code, instead of the prompt's or the problem's own."""
    metrics: Path | None = None
    """Of that code, for the rules of the stage."""
    gpu: str | None = None
    """GPU of the prompt, instead of what a reply names."""
    fresh: bool = False
    """Judge again what has a verdict."""
    sanitize: bool = False
    """Whether the judges that are used also run compute-sanitizer over what passes."""


class Judged(NamedTuple):
    """One attempt, and whether its verdict was there before."""

    attempt: Attempt
    cached: bool


class _Work(NamedTuple):
    stored: StoredReply
    candidate: Candidate | None
    key: JudgeKey
    gpu: GpuSpec | None
    """Of the prompt."""


class _Pending(NamedTuple):
    work: _Work
    job: Job
    meaning: str | None
    """Equal for candidates of which one verdict is right for all."""


class _Batch:
    """What is being judged, and what waits for the verdict on its twin."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.waiting: dict[Future[Verdict], _Pending] = {}
        self.followers: dict[str, list[_Pending]] = {}
        """By the meaning of what is being judged."""
        self.known: dict[str, str] = {}
        """Id of the attempt that has the verdict, by meaning."""

    def submit(self, pending: _Pending) -> None:
        """Have it judged."""
        self.waiting[self.executor.submit(pending.job)] = pending
        if pending.meaning is not None:
            self.followers[pending.meaning] = []


class Pipeline:
    """Judges replies one after another and keeps each result before the next is asked for."""

    def __init__(
        self, settings: JudgeSettings, store: Store, run: str, say: Callable[[str], None] = to_stderr,
        files: DataFiles | None = None,
    ) -> None:  # fmt: skip
        """`say` hears of each problem that is quarantined; `files` are what the replies' prompts name."""
        self._settings, self._store, self._run, self._say = settings, store, run, say
        self._files = files if files is not None else DataFiles()
        self._gpu_name: str | None = None
        self._known: set[str] = set()
        self._jobs = JobMaker()
        if settings.gpu is not None:
            self._files.gpu(settings.gpu)
        if settings.metrics is not None:
            self._files.metrics(settings.metrics)

    def judge(self, replies: Iterable[Reply | StoredReply | None], slots: int = 1) -> Iterator[Judged]:
        """Yield attempts as they are done; those judged before come at once.

        Where replies take their time, None among them gives a chance to see to what has been judged.
        `slots` are judges on the CPU; on GPUs there is one on each. A reply that is a row of the store
        already stays that row.
        """
        with open_executor(device=self._settings.device, jobs=slots) as executor:
            yield from self.judge_with(executor, replies)

    def judge_with(
        self, executor: Executor, replies: Iterable[Reply | StoredReply | None]
    ) -> Iterator[Judged]:
        """Do the same with judges that outlive it."""
        batch, self._gpu_name = _Batch(executor), executor.gpu_name
        for reply in replies:
            yield from self._finish(batch, wait_s=0.0)
            done = self._begin(reply, batch) if reply is not None else None
            if done is not None:
                yield done
            while len(batch.waiting) >= _AHEAD * executor.slots:
                yield from self._finish(batch)
        while batch.waiting:
            yield from self._finish(batch)

    def _begin(self, given: Reply | StoredReply, batch: _Batch) -> Judged | None:
        reply = given.reply if isinstance(given, StoredReply) else given
        problem = self._problem(reply)
        stage = self._stage(reply)
        reply = reply.model_copy(update={"problem": problem.name, "stage": stage.name if stage else None})
        stored = given if isinstance(given, StoredReply) else self._store.save_reply(self._run, reply)
        found = extract(reply.text, is_code=reply.is_code)
        candidate = found if isinstance(found, Candidate) else None
        gpu = self._gpu(reply)
        held_to = self._demand(reply, problem, stage, gpu)
        work = _Work(stored, candidate, self._key(reply, candidate, problem, stage, held_to), gpu)
        before = None if self._settings.fresh else self._judged_before(work)
        if before is not None:
            return before
        if isinstance(found, Failed):
            tracks = Tracks(open=False, stage=False)
            return Judged(self._save(work, found.model_copy(update={"tracks": tracks})), cached=False)
        return self._enter(self._pending(work, self._job(found, problem, stage, held_to, gpu)), batch)

    def _judged_before(self, work: _Work) -> Judged | None:
        """Find the verdict that is there, first the one that compute-sanitizer had its say in."""
        for key in (work.key.model_copy(update={"sanitize": True}), work.key):
            verdict = self._store.find_verdict(key)
            if verdict is not None:
                return Judged(self._save(work._replace(key=key), verdict), cached=True)
        return None

    @staticmethod
    def _pending(work: _Work, job: Job) -> _Pending:
        """Look for what else decides a verdict; this is the CPU's work ahead of the judge's."""
        same = meaning(job.code, job.rules, job.stage_rules, job.current_code)
        key = work.key.model_copy(update={"candidate_hash": same}).hash if same is not None else None
        return _Pending(work, job, key)

    def _enter(self, pending: _Pending, batch: _Batch) -> Judged | None:
        """Have it judged, unless its twin is being judged or has been."""
        if pending.meaning in batch.followers:
            batch.followers[pending.meaning].append(pending)
            return None
        if pending.meaning in batch.known:
            first = self._store.attempt(batch.known[pending.meaning])
            assert first.candidate is not None
            assert first.verdict is not None
            verdict = shared(first.verdict, first.candidate.code, pending.job.code)
            if verdict is not None:
                return Judged(self._save(pending.work, verdict), cached=False)
        batch.submit(pending)
        return None

    def _finish(self, batch: _Batch, wait_s: float | None = None) -> Iterator[Judged]:
        done, _ = wait(batch.waiting, timeout=wait_s, return_when=FIRST_COMPLETED)
        for future in done:
            pending = batch.waiting.pop(future)
            try:
                attempt = self._save(pending.work, future.result())
            except NoSlotError as error:
                raise EnvironmentFailure(f"{error}; the same command continues") from error
            except JudgeFailedError as error:
                attempt = self._save(pending.work, None, error=str(error))
            yield Judged(attempt, cached=False)
            yield from self._follow(pending, attempt, batch)

    def _follow(self, pending: _Pending, attempt: Attempt, batch: _Batch) -> Iterator[Judged]:
        """Give the verdict to those that waited for it; where there is none, the next of them is judged."""
        if pending.meaning is None:
            return
        if attempt.verdict is not None:
            batch.known[pending.meaning] = attempt.id
        for follower in batch.followers.pop(pending.meaning, []):
            done = self._enter(follower, batch)
            if done is not None:
                yield done

    def _save(self, work: _Work, verdict: Verdict | None, error: str | None = None) -> Attempt:
        attempt = self._store.save_attempt(
            self._run,
            work.stored,
            work.key,
            candidate=work.candidate,
            verdict=verdict,
            error=error,
            gpu=work.gpu.name if work.gpu is not None else None,
        )
        if attempt.gpu_hash is None and work.gpu is not None:
            return attempt.model_copy(update={"gpu_hash": work.gpu.hash})
        return attempt

    def _problem(self, reply: Reply) -> ProblemFolder:
        name = reply.problem or self._settings.problem
        if name is None:
            from harness.errors import UsageError

            raise UsageError(f"{reply.source}: names no problem; add --problem NAME")
        problem = self._files.problem(name)
        if problem.name not in self._known:
            problem.check_size(self._settings.size)
            self._known.add(problem.name)
            self._warn_of(problem)
        return problem

    def _warn_of(self, problem: ProblemFolder) -> None:
        reason = self._store.quarantine_of(problem.problem.hash)
        if reason is not None:
            self._say(
                f"warning: {problem.name} is quarantined: {reason}. What is judged on it says little, and "
                "its scores are marked; `validate` lifts it once the problem holds"
            )

    def _stage(self, reply: Reply) -> Stage | None:
        name = self._settings.stage or reply.stage
        return self._files.stage(name) if name is not None else None

    def _gpu(self, reply: Reply) -> GpuSpec | None:
        name = self._settings.gpu or reply.gpu
        return self._files.gpu(name) if name is not None else None

    def _demand(
        self, reply: Reply, problem: ProblemFolder, stage: Stage | None, gpu: GpuSpec | None
    ) -> Demand:
        code = self._settings.code or (Path(reply.code_file) if reply.code_file else None)
        metrics = self._settings.metrics or (Path(reply.metrics_file) if reply.metrics_file else None)
        given = Given(
            code=read_text(code) if code else None,
            metrics=self._files.metrics(metrics) if metrics else None,
            gpu=gpu.name if gpu is not None else None,
        )
        prompt = self._store.prompt(reply.prompt_hash) if reply.prompt_hash else None
        return demand(problem, stage, given, prompt)

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
            baselines=self._settings.baselines if self._settings.device == "cuda" else "live",
            sanitize=self._settings.sanitize,
        )

    def _job(
        self, candidate: Candidate, problem: ProblemFolder, stage: Stage | None, held_to: Demand,
        gpu: GpuSpec | None,
    ) -> Job:  # fmt: skip
        # Its prompt may be for another GPU than the reply names; that one's file is then not here.
        own = gpu if gpu is not None and gpu.name == held_to.gpu else None
        return self._jobs.job(self._settings, candidate, problem, stage, held_to, own)
