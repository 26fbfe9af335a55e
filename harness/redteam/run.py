"""Judge a corpus, several files at once, and look closer at cheats that pass."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from eval import Job, JudgeFailedError, Limits, Problem, Verdict
from eval.records import Passed, Record, RulesMode
from harness.executors import LocalExecutor
from harness.problems import load_problem
from harness.redteam.corpus import CorpusFile
from harness.redteam.evidence import emptied, honest_twin
from harness.redteam.outcome import Evidence, Outcome, failure, needs_evidence, outcome


class RedteamSettings(Record):
    """How a corpus is judged."""

    problem: str = "cumsum_exclusive"
    """Where a file names none."""
    device: Literal["cuda", "cpu"]
    rules: RulesMode = "strict"
    audits: bool = True
    size: str | None = None
    slots: int = 1
    """Judges at once; on a GPU one."""
    limits: Limits = Limits()

    @property
    def static(self) -> bool:
        """Tell whether the static rules may refuse."""
        return self.rules != "off"


def run(files: Sequence[CorpusFile], settings: RedteamSettings) -> Generator[Outcome]:
    """Yield an outcome for each file, in order."""
    problems = {name: _problem(name, settings) for name in {f.problem or settings.problem for f in files}}
    with LocalExecutor(settings.device, settings.slots) as executor:
        bench = _Bench(executor, settings, problems)
        threads, finished = ThreadPoolExecutor(settings.slots), False
        try:
            for future in [threads.submit(bench.try_file, file) for file in files]:
                yield future.result()
            finished = True
        finally:
            # Who interrupts waits for no file: those at work end with the judges, which end next.
            threads.shutdown(wait=finished, cancel_futures=True)


def _problem(name: str, settings: RedteamSettings) -> Problem:
    folder = load_problem(name)
    folder.check_size(settings.size)
    return folder.problem


class _Bench:
    def __init__(
        self, executor: LocalExecutor, settings: RedteamSettings, problems: dict[str, Problem]
    ) -> None:
        self._executor, self._settings, self._problems = executor, settings, problems

    def try_file(self, file: CorpusFile) -> Outcome:
        """Judge one file, and again with changes where it is a cheat that passed."""
        try:
            verdict = self._judge(file, file.code)
            evidence = None
            if needs_evidence(file, verdict, static=self._settings.static):
                evidence = self._evidence(file, verdict)
        except JudgeFailedError as error:
            return failure(file, str(error))
        return outcome(file, verdict, static=self._settings.static, evidence=evidence)

    def _judge(self, file: CorpusFile, code: str, *, timing: bool = True) -> Verdict:
        settings = self._settings
        job = Job(
            problem=self._problems[file.problem or settings.problem], code=code, device=settings.device,
            size=settings.size, rules=settings.rules, audits=settings.audits, limits=settings.limits,
            timing=timing,
        )  # fmt: skip
        return self._executor.submit(job).result()

    def _evidence(self, file: CorpusFile, verdict: Verdict) -> Evidence:
        bare = self._judge(file, emptied(file.code), timing=False)
        compiles = verdict.device == "cuda" or verdict.guarantees.compiled_for is not None
        if verdict.timing is None:
            return Evidence(compiles=compiles, without_kernels=bare.status)
        twin = honest_twin(file.code)
        honest = self._judge(file, twin) if twin is not None else None
        timing = honest.timing if isinstance(honest, Passed) else None
        untimed = honest if timing is None else None
        return Evidence(
            compiles=compiles, without_kernels=bare.status, time_ms=verdict.timing.candidate_ms.median,
            honest_ms=timing.candidate_ms.median if timing is not None else None,
            honest_refused=f"{untimed.status}: {untimed.detail}" if untimed is not None else None,
        )  # fmt: skip
