"""The feedback section of a prompt: what came of one attempt, the most important first, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from eval.dry_launch.records import KernelBuild
from eval.records import Failed, Incorrect, KernelTime, Passed, Ratio, Rejected, Timing, Verdict, Violation
from harness.errors import UsageError
from harness.records import Attempt

BUDGET_CHARS = 2400
"""Longest section; what does not fit is left out, the least important first."""
_MOST_VIOLATIONS, _MOST_KERNELS, _MOST_BUILDS = 8, 8, 8
_LONGEST_LINE = 400
_DETAIL_LINES = 14

PHASES = {
    "extract": "no candidate could be taken out of the reply",
    "parse": "the code is not valid Python",
    "import": "loading the code raised an error",
    "init": "building ModelNew raised an error",
    "compile": "a kernel does not compile",
    "launch": "a kernel cannot be launched",
    "run": "calling forward raised an error",
    "timeout": "it ran out of time",
    "memory": "it ran out of memory",
    "crash": "its process crashed",
    "unsupported": "it could not be run where it was judged",
}
_LIBRARY_KERNELS = {
    "CatArrayBatchedCopy": "`torch.cat`",
    "FillFunctor": "a fill (zeros, full)",
    "direct_copy_kernel": "a copy (clone, contiguous, to)",
    "Memcpy": "a copy (clone, contiguous, to)",
    "Memset": "a fill (zeros, full)",
    "reduce_kernel": "a reduction",
    "gemm": "a matrix product",
}
"""What a library kernel's name says of the operator that launched it."""


def feedback(attempt: Attempt, builds: Sequence[KernelBuild] = (), budget: int = BUDGET_CHARS) -> str:
    """Return the section for one attempt; `builds` are what a dry launch shows of its kernels.

    Raises `UsageError`: the attempt has no verdict, since the harness failed and not the candidate.
    """
    if attempt.verdict is None:
        raise UsageError(f"attempt {attempt.id} has no verdict; judge it again first: {attempt.error}")
    return fitted(_parts(attempt, attempt.verdict, builds), budget)


def fitted(parts: Iterable[str], budget: int) -> str:
    """Return as many whole parts as fit into `budget` characters; the first is cut where it must be."""
    kept: list[str] = []
    left = budget
    for part in parts:
        clean = harmless(part)
        if kept and len(clean) + 1 > left:
            break
        kept.append(clean if len(clean) <= left else clean[: left - 1] + "…")
        left -= len(kept[-1]) + 1
    return "\n".join(kept)


def harmless(text: str) -> str:
    """Return a candidate's words without control characters and without fences of ours."""
    shown = (
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return "".join(shown).replace("```", "'''")


def outcome(verdict: Verdict) -> str:
    """Return what happened in a few words, in classed form."""
    match verdict:
        case Passed():
            return "passed"
        case Incorrect(reason=reason) | Rejected(reason=reason):
            return f"{verdict.status} ({reason})"
        case Failed(phase=phase):
            return f"failed ({phase}): {PHASES[phase]}"


def _parts(attempt: Attempt, verdict: Verdict, builds: Sequence[KernelBuild]) -> Iterator[str]:
    yield f"The last candidate: {outcome(verdict)}."
    if verdict.detail and not isinstance(verdict, Rejected):
        yield trimmed(verdict.detail)
    code = attempt.candidate.code.split("\n") if attempt.candidate is not None else []
    errors = [found for found in verdict.violations if found.severity == "error"]
    for found in errors[:_MOST_VIOLATIONS]:
        yield _violation(found, code)
    if len(errors) > _MOST_VIOLATIONS:
        yield f"- and {len(errors) - _MOST_VIOLATIONS} more"
    if isinstance(verdict, Rejected) and not errors and verdict.detail:
        yield trimmed(verdict.detail)
    if verdict.timing is not None:
        yield from _speed(verdict.timing)
    elif isinstance(verdict, Passed):
        yield "It is correct; it was not timed."
    if isinstance(verdict, Passed) and verdict.tracks.stage is False:
        yield "It breaks the rules of the stage, so it is no answer to this prompt, however fast."
    yield from (_build(build) for build in builds[:_MOST_BUILDS])
    yield from (_violation(found, code) for found in verdict.violations if found.severity == "warning")


def trimmed(detail: str) -> str:
    """Return what matters of an error: its beginning and its end, without the compiler's dump between."""
    lines = [line[:_LONGEST_LINE].rstrip() for line in detail.strip().split("\n") if line.strip()]
    if len(lines) <= _DETAIL_LINES:
        return "\n".join(lines)
    half = _DETAIL_LINES // 2
    return "\n".join([*lines[:half], f"… {len(lines) - 2 * half} lines …", *lines[-half:]])


def _violation(found: Violation, code: Sequence[str]) -> str:
    stage = "stage rule " if found.track == "stage" else "rule "
    place = f", line {found.line}" if found.line is not None else ""
    text = f"- {found.severity}: {stage}{found.rule}{place}: {found.message}"
    if found.line is not None and 0 < found.line <= len(code):
        text += f"\n    {code[found.line - 1].strip()[:_LONGEST_LINE]}"
    return text


def _speed(timing: Timing) -> Iterator[str]:
    yield f"One call takes {timing.candidate_ms.median:.4g} ms."
    current = timing.speedup.current
    if current is not None:
        how = "It is slower than the current code" if current.high < 1 else "Against the current code"
        yield f"{how}: {_factor(current)}" + (f", {timing.decision}." if timing.decision else ".")
    if timing.floor_ms is not None and timing.fraction_of_floor is not None:
        share = 100 * timing.fraction_of_floor
        floor = f"The floor, what a good kernel can hope for, is {timing.floor_ms:.4g} ms"
        yield f"{floor}{floor_grounds(timing)}: {share:.0f} % of that speed is reached."
    if not timing.stable:
        yield "The timing was not stable."
    yield from kernel_shares(timing.kernels)
    if timing.chosen:
        yield f"The autotuner chose {_config(timing.chosen)}."


def floor_grounds(timing: Timing) -> str:
    """Say what the floor rests on, where that is not memory or was not measured, to follow the figure."""
    by = ", set by arithmetic and not by memory" if timing.floor_by == "flops" else ""
    return by + (", by the GPU's data sheet" if timing.floor_source == "spec" else "")


def kernel_shares(kernels: Sequence[KernelTime]) -> Iterator[str]:
    """Yield where the time of `forward` goes, the operators of the library included."""
    if kernels:
        yield "Device time of one forward:"
    for kernel in sorted(kernels, key=lambda kernel: -kernel.ms)[:_MOST_KERNELS]:
        yield f"- {_kernel_name(kernel)}: {kernel.ms:.3g} ms, {100 * kernel.share:.0f} % of forward"


def _kernel_name(kernel: KernelTime) -> str:
    if kernel.own:
        return f"`{kernel.name[:80]}`"
    operator = next((name for mark, name in _LIBRARY_KERNELS.items() if mark in kernel.name), None)
    return f"{operator or 'a library kernel'}, not yours (`{kernel.name[:60]}`)"


def _build(build: KernelBuild) -> str:
    config = _config({**build.config, "num_warps": build.num_warps, "num_stages": build.num_stages})
    facts = [f"{build.registers} registers"] if build.registers is not None else []
    facts.append(f"{build.shared_bytes} bytes of shared memory")
    if build.spill_bytes:
        facts.append(f"{build.spill_bytes} bytes of stack a thread (spills)")
    if build.occupancy is not None:
        facts.append(f"occupancy {100 * build.occupancy:.0f} %, limited by {build.limiter}")
    return f"- `{build.kernel}` ({config}): {', '.join(facts)}"


def _config(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _factor(ratio: Ratio) -> str:
    return f"{ratio.median:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
