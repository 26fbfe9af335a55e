"""The records that cross module borders on the harness's side."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from eval.records import BaselinesMode, Record, RulesMode, Verdict


class Prompt(Record):
    """A rendered prompt and the hashes of all it was made from."""

    hash: str
    """sha256 of the text, hexadecimal."""
    text: str
    problem: str
    stage: str
    gpu: str
    sources: dict[str, str] = {}
    """Hash by source: problem, stage, gpu, template, code, metrics."""
    code: str | None = None
    """The current code that the prompt shows; what stage rules compare with."""
    metrics: dict[str, Any] | None = None


class Reply(Record):
    """One raw answer of a model, as it came."""

    model: str
    """Name that the leaderboard shows."""
    sample: int
    text: str
    prompt_hash: str | None = None
    model_id: str | None = None
    """What the endpoint says answered."""
    finish_reason: str | None = None
    usage: dict[str, Any] = {}
    latency_s: float | None = None
    source: str | None = None
    """Where it came from: a file as the user gave it (JSONL lines add ``#line``) or an endpoint."""
    problem: str | None = None
    stage: str | None = None
    gpu: str | None = None
    code_file: str | None = None
    metrics_file: str | None = None
    is_code: bool = False
    """True for a ``.py`` file or a JSONL ``code`` field: the text is the candidate itself."""


class Candidate(Record):
    """The code that was taken out of a reply."""

    code: str
    first_line: int
    """1-based line of the reply on which the code's first line stands."""
    language: Literal["triton"] = "triton"


class Attempt(Record):
    """One reply and its verdict: a row of the store and of the leaderboard."""

    id: str
    run: str
    reply: Reply
    candidate: Candidate | None
    problem: str
    stage: str | None
    gpu: str | None
    """GPU of the prompt; the one that judged is in the verdict's environment."""
    verdict: Verdict | None
    error: str | None = None
    """Our own failure, kept so that the next run tries again."""
    evaluator: str
    created: str
    """UTC, ISO 8601."""
    rules: RulesMode = "strict"
    """Mode of the static rules under which it was judged."""
    device: Literal["cuda", "cpu"] | None = None
    """What it was judged on, or was to be judged on where it never reached a device."""
    gpu_name: str | None = None
    """Device name of the GPU there; None on a CPU."""
    size: str | None = None
    """Size profile that was asked for; None is the official one."""
    baselines: BaselinesMode = "live"
    """Whether the run let times of baselines stand in that were taken earlier in the judge's session."""
    void_reason: str | None = None
    """Why it was struck from scores; None for an attempt that counts."""
    quarantined: str | None = None
    """Why the problem that it was judged on is quarantined; None where it is not."""
    problem_hash: str | None = None
    """Text of the problem that it was judged by; None where it was not judged."""
    stage_hash: str | None = None
    gpu_hash: str | None = None
    """GPU file that the prompt was made from; None without a prompt."""


class Facts(NamedTuple):
    """What scores need to know of an attempt, without its texts: 100,000 of them fit in memory."""

    id: str
    reply: str
    """Equal for attempts of the same reply, which a board counts once."""
    model: str
    sample: int
    problem: str
    problem_hash: str | None
    """None where it was never judged."""
    stage: str | None
    status: str | None
    """The verdict's; None for our own failure."""
    kind: str | None
    """Reason or phase."""
    open: bool | None
    stage_legal: bool | None
    judged_on: Literal["cuda", "cpu"] | None
    """Device that the candidate ran on; None where it did not."""
    device: Literal["cuda", "cpu"] | None
    """What it was judged on, or was to be judged on."""
    gpu: str | None
    size: str | None
    rules: RulesMode
    evaluator: str
    void: bool
    created: str
    ms: float | None
    eager: float | None
    """Speed-up against eager; so are the next two against their baselines."""
    compile: float | None
    current: float | None
    floor: float | None
    """Fraction of the floor."""
    cost: float | None
    """What the reply cost, in the currency of the model's price."""
    tokens: int | None
    """Of prompt and reply together, as the endpoint counted them."""
    bytes: float | None = None
    """What a call must read and write."""
    copy_gb_per_s: float | None = None
    """Bandwidth of a copy on that GPU, the roof of what moves memory."""
    broken: tuple[tuple[str, str, str], ...] = ()
    """Severity, rule and track of each rule that it breaks, once each."""
    quarantined: str | None = None
    """Why its problem is quarantined; None where it is not."""
    baselines: BaselinesMode = "live"
    """What the run asked for, whether or not this attempt was timed; always `live` on a CPU."""
