"""The records that cross the judge's border: a `Job` goes in, a `Verdict` comes out.

Nothing here imports torch, so that prompts, rules and reports stay light.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from eval.base import Record as Record  # noqa: PLC0414 - handed on: this is where others look for it
from eval.base import Severity as Severity  # noqa: PLC0414 - the same
from eval.problem import Case as Case  # noqa: PLC0414 - the same
from eval.problem import Problem as Problem  # noqa: PLC0414 - the same
from eval.problem import SizeProfile as SizeProfile  # noqa: PLC0414 - the same
from eval.stage.records import StageRules

Track = Literal["open", "stage"]
RulesMode = Literal["strict", "lenient", "off"]
DeviceChoice = Literal["auto", "cuda", "cpu"]
BaselinesMode = Literal["live", "session"]

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
    baselines: BaselinesMode = "live"
    """`live`: the baselines take turns with the candidate. `session`: their times may be from earlier in
    the session of this judge, while one of them, timed again, agrees."""
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
    floor_by: Literal["bytes", "flops"] | None = None
    """What takes longer at the GPU's best, and so makes the floor; None in older verdicts: bytes."""
    floor_source: Literal["measured", "spec"] | None = None
    """Whether that best was measured on this GPU or taken from its data sheet; None as above: measured."""
    fraction_of_floor: float | None = None
    hard_limit_ms: float | None = None
    copy_gb_per_s: float | None = None
    """Measured on this GPU; None where that was not possible."""
    peak_tflop_per_s: float | None = None
    """Speed of a large product of matrices in the dtype of the inputs, where operations could matter."""
    bytes: float | None = None
    flops: float | None = None
    gb_per_s: float | None = None
    speedup: Speedup
    kernels: tuple[KernelTime, ...] = ()
    configs: tuple[ConfigTime, ...] = ()
    chosen: dict[str, Any] | None = None
    decision: Literal["keep", "revert", "inconclusive"] | None = None
    stable: bool = True
    baselines: BaselinesMode = "live"
    """Whether all baselines took turns with the candidate, or times from earlier in the session stand in."""
    baselines_drift: float | None = None
    """With `session`, by what part the canary's time has changed since; 0.01 at most."""
    notes: tuple[str, ...] = ()
    samples_ms: dict[str, tuple[float, ...]] = {}
    """Every sample by role: candidate, eager, compile, current."""
    clock: dict[str, Any] = {}
    """SM clock, temperature and throttle reasons around the measurement."""
    shapes: dict[str, Timing] = {}
    """By size, where several are official: the times above are then their geometric means."""


class Guarantees(Record):
    """Which defences held while this candidate ran."""

    sandbox: tuple[str, ...] = ()
    """Levels of isolation in force, for example ``landlock`` and ``pid_namespace``."""
    missing: tuple[str, ...] = ()
    """Levels that this machine could not give."""
    clock_audit: bool = False
    weights: Literal["state_dict", "seed"] | None = None
    """How reference and candidate came by the same weights: by name and shape, new ones for every call;
    or by constructors under one seed, where names differ. None: the reference keeps none."""
    sanitizer: tuple[str, ...] = ()
    """Tools of compute-sanitizer that looked over a call of each of the first 16 configurations and
    found nothing."""
    compiled_for: str | None = None
    """On a CPU, the target that all launched kernels compiled for; None where that was not shown."""


class Environment(Record):
    """Where a verdict was reached."""

    evaluator: str
    python: str | None = None
    """None where nothing ran."""
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
    duplicate_of: str | None = None
    """Hash of the candidate that was judged: the same code apart from comments and formatting. Lines in
    `detail` are lines of that one."""
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
