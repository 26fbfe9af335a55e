"""Turns a question into a job: finds the problem, takes out the code, looks up what the stage demands."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256

from eval import EVALUATOR_VERSION, Job, Verdict
from eval.records import Failed, Record
from harness.errors import UsageError
from harness.extract import extract
from harness.files import nearest, text_hash
from harness.jobs import JobMaker, JobSettings
from harness.judge_server.records import Answer, Question
from harness.problems import ProblemFolder, load_problem, problem_names
from harness.prompts import Given, demand, load_gpu, load_stage, stage_names
from harness.records import Candidate


class UnknownProblemError(UsageError):
    """The server has no problem of that name; the message names the nearest."""


class Prepared(Record):
    """A question that is ready to be judged, or that needs no judge."""

    answer: dict[str, str | int | None]
    """Fields of the `Answer`, but for the verdict."""
    job: Job | None
    verdict: Verdict | None = None
    """Where there is no job."""

    def answered(self, verdict: Verdict) -> Answer:
        """Return the answer with its verdict."""
        return Answer.model_validate({**self.answer, "verdict": verdict})


class Desk:
    """Prepares questions; threads may share it."""

    def __init__(self, settings: JobSettings, folders: Sequence[ProblemFolder] = ()) -> None:
        """`folders` are problems of the user's own, beside those that ship with the harness."""
        self._settings = settings
        self._jobs = JobMaker()
        self._lock = threading.Lock()
        self._own = {folder.name: folder for folder in folders}
        self._problems = dict(self._own)

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of the problems that may be asked for."""
        return tuple(sorted({*problem_names(), *self._own}))

    def problem_of(self, reference: str) -> str:
        """Return the name of the problem whose reference is this text, but for blanks and line ends.

        Raises `UnknownProblemError`: there is none; who asks brings no references of its own.
        """
        wanted = text_hash(reference)
        for name in self.problems:
            if text_hash(self._problem(name).problem.reference) == wanted:
                return name
        raise UnknownProblemError(
            "no problem here has this reference; start the server with --problem FOLDER for its problem"
        )

    def prepare(self, question: Question) -> Prepared:
        """Return the job.

        Raises:
            UnknownProblemError: there is no problem of that name.
            UsageError: stage, GPU or size are unknown, or do not go together.

        """
        problem = self._problem(question.problem)
        _check_names(question, problem)
        stage = load_stage(question.stage) if question.stage is not None else None
        gpu = load_gpu(question.gpu).name if question.gpu is not None else None
        text = question.code if question.code is not None else question.reply
        assert text is not None
        found = extract(text, is_code=question.code is not None)
        held_to = demand(problem, stage, Given(code=question.current_code, gpu=gpu))
        candidate = found if isinstance(found, Candidate) else None
        answer = self._answer(question, problem, candidate, text)
        if isinstance(found, Failed):
            return Prepared(answer=answer, job=None, verdict=found)
        job = self._jobs.job(self._of(question), found, problem, stage, held_to)
        return Prepared(answer=answer, job=job)

    @staticmethod
    def _answer(
        question: Question, problem: ProblemFolder, candidate: Candidate | None, text: str
    ) -> dict[str, str | int | None]:
        code = candidate.code if candidate is not None else text
        return {
            "problem": problem.name, "problem_hash": problem.problem.hash,
            "candidate_hash": sha256(code.encode("utf-8", "surrogatepass")).hexdigest(),
            "first_line": candidate.first_line if candidate is not None and question.code is None else None,
            "stage": question.stage, "size": question.size, "evaluator": EVALUATOR_VERSION,
        }  # fmt: skip

    def _of(self, question: Question) -> JobSettings:
        seconds = min(question.timeout_s or self._settings.limits.seconds, self._settings.limits.seconds)
        return self._settings.model_copy(
            update={
                "size": question.size, "rules": question.rules, "timing": question.timing,
                "limits": self._settings.limits.model_copy(update={"seconds": seconds}),
            }
        )  # fmt: skip

    def _problem(self, name: str) -> ProblemFolder:
        if name not in self.problems:
            raise UnknownProblemError(f"unknown problem {name!r}{nearest(name, self.problems)}")
        with self._lock:
            if name not in self._problems:
                self._problems[name] = load_problem(name)
            return self._problems[name]


def _check_names(question: Question, problem: ProblemFolder) -> None:
    """Refuse what would be read as a path of this machine, and sizes that there are not."""
    if question.stage is not None and question.stage not in stage_names():
        raise UsageError(f"unknown stage {question.stage!r}{nearest(question.stage, stage_names())}")
    if question.gpu is not None and (question.gpu.endswith(".toml") or question.gpu == "auto"):
        raise UsageError(f"unknown GPU {question.gpu!r}; give its name")
    problem.check_size(question.size)
