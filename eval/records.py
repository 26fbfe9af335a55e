"""The records that cross the judge's border: a `Job` goes in, a `Verdict` comes out.

Nothing here imports torch, so that prompts, rules and reports stay light.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from eval.base import Record as Record  # noqa: PLC0414 - handed on: this is where others look for it
from eval.base import Severity as Severity  # noqa: PLC0414 - the same
from eval.stage.records import StageRules

Track = Literal["open", "stage"]
RulesMode = Literal["strict", "lenient", "off"]
DeviceChoice = Literal["auto", "cuda", "cpu"]

IncorrectReason = Literal[
    "shape", "dtype", "type", "values", "not_finite", "nondeterministic", "mutated_input", "aliased_output"
]
RejectedReason = Literal["output_rules", "tampering", "library_compute", "impossible_time", "disputed_clock"]
FailedPhase = Literal[
    "extract", "parse", "import", "init", "compile", "launch", "run",
    "timeout", "memory", "crash", "unsupported",
]  # fmt: skip


class Violation(Record):
    """One rule that a candidate breaks, at a place in its code."""

    rule: str
    """Stable id of the rule, for example ``imports``."""
    track: Track
    severity: Severity
    message: str
    line: int | None = None
    """1-based line of the candidate's code."""
    column: int | None = None
    """0-based column."""


class Tracks(Record):
    """Legality on each leaderboard track; None means that it is not decided."""

    open: bool | None = None
    stage: bool | None = None


class Case(Record):
    """One set of sizes on which the candidate is called.

    The problem's module constants are replaced by `constants` before its `get_inputs` and
    `get_init_inputs` are called.
    """

    name: str
    constants: dict[str, Any] = {}
    dtype: str | None = None
    """Replaces the dtype of every floating input, for example ``float16``."""
    layout: Literal["contiguous", "transposed", "strided"] = "contiguous"
    """Memory layout of the inputs; the values are the same."""


class SizeProfile(Record):
    """A named official case, so that smaller cards have a column of their own."""

    name: str
    constants: dict[str, Any] = {}
    memory_gb: float | None = None
    """Device memory in use at most, in 1e9 bytes; a hint for the message when it does not fit."""


class Problem(Record):
    """A problem as the judge sees it: a reference, cases, and what counts as right."""

    name: str
    reference: str
    """Source text in KernelBench's format: `Model`, `get_inputs`, `get_init_inputs`."""
    sizes: tuple[SizeProfile, ...]
    """The first is the official one."""
    cases: tuple[Case, ...]
    """Scaled cases of the official rank; they decide `passed`."""
    variants: tuple[Case, ...] = ()
    """Other ranks, dims, layouts and dtypes; they earn `robust` and decide nothing."""
    cpu_dtypes: tuple[str, ...] = ("float32",)
    min_bytes: dict[str, float] = {}
    """Bytes that no implementation can avoid moving, by size profile; replaces inputs plus outputs."""
    min_flops: dict[str, float] = {}
    """Floating-point operations that no implementation can avoid, by size profile."""
    error_budget: dict[str, float] = {}
    """Tolerance by dtype, in units of eps(dtype) times the element's scale; replaces the default."""
    error_scale: str | None = None
    """Source text of a class `Scale`, built like `Model`: given the magnitudes of the inputs it returns
    what each element's error is measured against. None: the element's own magnitude, at least the mean."""
    row_overlap: int | None = None
    """Set where the official output's rows [i, j) depend on rows [i, j + row_overlap) of every input alone
    (dimension 0), so that large outputs are compared in blocks of rows."""
    hash: str
    """Hash of the normalised text of everything above."""


class Limits(Record):
    """What one candidate may use."""

    seconds: float = 300.0
    """Wall-clock for the whole life of a runner."""
    call_seconds: float = 60.0
    """Wall-clock of one call (on a GPU the first call compiles)."""
    host_memory_gb: float = 12.0
    output_bytes: int = 65536
    """How much of stdout and stderr is kept."""


class Job(Record):
    """One candidate to judge."""

    problem: Problem
    code: str
    language: Literal["triton"] = "triton"
    current_code: str | None = None
    """The stage's current code: timed beside the candidate, and what stage rules compare with."""
    stage_rules: StageRules | None = None
    """What decides `tracks.stage`; None leaves it at None."""
    min_gain: float | None = None
    """Gain over the current code from which the decision is `keep`, from the stage."""
    device: DeviceChoice = "auto"
    size: str | None = None
    """Name of a size profile; None is the official one."""
    rules: RulesMode = "strict"
    audits: bool = True
    """Record library operators and suppress launches; False lets a library do the work, for calibration."""
    limits: Limits = Limits()
    timing: bool = True
    """False judges correctness alone."""
    require_sandbox: bool = False
    """Refuse to run where a level of isolation is not available."""


class Quantity(Record):
    """A median with its 95 % interval and the number of samples behind it."""

    median: float
    low: float
    high: float
    samples: int


class Ratio(Record):
    """A speed-up with its 95 % interval."""

    median: float
    low: float
    high: float


class Speedup(Record):
    """Time of each baseline over the time of the candidate."""

    eager: Ratio | None = None
    compile: Ratio | None = None
    current: Ratio | None = None


class KernelTime(Record):
    """Device time of one kernel within a call of `forward`."""

    name: str
    ms: float
    share: float
    """Part of the call's device time, 0 to 1."""
    own: bool
    """True for kernels defined in the candidate."""


class ConfigTime(Record):
    """One autotune configuration and its time where it was measured."""

    kernel: str
    config: dict[str, Any]
    ms: float | None


class Timing(Record):
    """Times of one candidate and its baselines, taken in turn in one session on one GPU."""

    candidate_ms: Quantity
    eager_ms: Quantity
    compile_ms: Quantity | None = None
    compile_note: str | None = None
    """Why there is no `compile_ms`."""
    current_ms: Quantity | None = None
    judge_ms: float | None = None
    """The candidate's median by the judge's own clock, the constant cost of the exchange subtracted."""
    floor_ms: float | None = None
    fraction_of_floor: float | None = None
    hard_limit_ms: float | None = None
    copy_gb_per_s: float | None = None
    bytes: float | None = None
    flops: float | None = None
    gb_per_s: float | None = None
    speedup: Speedup
    kernels: tuple[KernelTime, ...] = ()
    configs: tuple[ConfigTime, ...] = ()
    chosen: dict[str, Any] | None = None
    decision: Literal["keep", "revert", "inconclusive"] | None = None
    stable: bool = True
    notes: tuple[str, ...] = ()
    samples_ms: dict[str, tuple[float, ...]] = {}
    """Every sample by role: candidate, eager, compile, current."""
    clock: dict[str, Any] = {}
    """SM clock, temperature and throttle reasons around the measurement."""


class Guarantees(Record):
    """Which defences held while this candidate ran."""

    sandbox: tuple[str, ...] = ()
    """Levels of isolation in force, for example ``landlock`` and ``pid_namespace``."""
    missing: tuple[str, ...] = ()
    """Levels that this machine could not give."""
    clock_audit: bool = False
    compiled_for: str | None = None
    """On a CPU, the target that all launched kernels compiled for; None where that was not shown."""


class Environment(Record):
    """Where a verdict was reached."""

    evaluator: str
    python: str
    torch: str | None = None
    triton: str | None = None
    gpu: str | None = None
    gpu_uuid: str | None = None
    driver: str | None = None
    platform: str | None = None


class VariantResult(Record):
    """How the candidate did on one variant."""

    case: str
    status: Literal["passed", "failed", "unsupported"]
    detail: str | None = None


class VerdictBase(Record):
    """What every verdict says, whatever its status."""

    device: Literal["cuda", "cpu"] | None = None
    detail: str | None = None
    """One or two sentences for a person: what happened and where."""
    violations: tuple[Violation, ...] = ()
    tracks: Tracks = Tracks()
    robust: bool | None = None
    variants: tuple[VariantResult, ...] = ()
    timing: Timing | None = None
    defence: str | None = None
    """The first defence that fired, for example ``rule:imports`` or ``values``."""
    guarantees: Guarantees = Guarantees()
    environment: Environment | None = None
    output: str | None = None
    """What the candidate printed, cut to the limit."""
    problem_hash: str | None = None
    candidate_hash: str | None = None
    size: str | None = None
    seconds: float = 0.0


class Passed(VerdictBase):
    """Correct on every deciding case; timed where a GPU is there."""

    status: Literal["passed"] = "passed"


class Incorrect(VerdictBase):
    """Ran and gave the wrong answer."""

    status: Literal["incorrect"] = "incorrect"
    reason: IncorrectReason


class Rejected(VerdictBase):
    """Broke a rule, tampered, or claimed what cannot be."""

    status: Literal["rejected"] = "rejected"
    reason: RejectedReason


class Failed(VerdictBase):
    """Did not run to the end."""

    status: Literal["failed"] = "failed"
    phase: FailedPhase


Verdict = Annotated[Passed | Incorrect | Rejected | Failed, Field(discriminator="status")]
