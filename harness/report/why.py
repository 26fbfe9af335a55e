"""A verdict in plain words: a headline for the row, and the sentences of "why" when it is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from eval.records import Failed, Incorrect, Passed, Rejected, Timing, Verdict, Violation
from harness.prompts.feedback import floor_grounds
from harness.records import Attempt
from harness.scores import percent, times

INCORRECT = {
    "shape": ("wrong shape", "It ran, but its output has the wrong shape."),
    "dtype": ("wrong data type", "It ran, but its output has the wrong data type."),
    "type": ("not a plain tensor", "It ran, but what it returned is not a plain tensor."),
    "values": (
        "wrong values",
        "It ran, but its values differ from the reference by more than rounding explains.",
    ),
    "not_finite": ("NaN or infinity", "It ran, but gave NaN or infinity where the reference has none."),
    "nondeterministic": ("not repeatable", "It ran, but the same input gave different outputs."),
    "mutated_input": ("changed its input", "It ran, but wrote into its input."),
    "aliased_output": (
        "output shares memory",
        "It ran, but its output shares memory that it must not share.",
    ),
}
REJECTED = {
    "output_rules": ("breaks the output rules", "It breaks the output rules, so it was not run."),
    "tampering": ("tampering", "It reaches for things that a kernel has no business with."),
    "library_compute": (
        "a library computes it",
        "A library operator does the problem's computation instead of the candidate's own kernel.",
    ),
    "impossible_time": (
        "impossible time",
        "It claims a time below what the hardware can physically do, so something was not computed.",
    ),
    "disputed_clock": (
        "disputed clock",
        "The time it reports and the time that the judge took do not agree.",
    ),
}
FAILED = {
    "extract": ("no code found", "No candidate could be taken out of the reply."),
    "parse": ("does not parse", "The code is not valid Python."),
    "import": ("fails on import", "Loading the code raised an error."),
    "init": ("fails in __init__", "Building ModelNew raised an error."),
    "compile": ("does not compile", "A Triton kernel does not compile."),
    "launch": ("fails at launch", "A kernel could not be launched."),
    "run": ("fails when run", "Calling forward raised an error."),
    "timeout": ("out of time", "It did not end within the time limit."),
    "memory": ("out of memory", "It used more memory than it was given."),
    "crash": ("crashed", "Its process ended without an answer."),
    "unsupported": (
        "cannot run on a CPU",
        "Triton's interpreter cannot run it, so it counts as neither right nor wrong.",
    ),
}


def headline(attempt: Attempt) -> str:
    """Return a few words for the row."""
    match attempt.verdict:
        case None:
            return "the harness failed"
        case Passed() as verdict:
            return _passed(verdict)
        case Incorrect(reason=reason):
            return INCORRECT[reason][0]
        case Rejected(reason="output_rules") as verdict:
            return _rules(_errors(verdict)) or REJECTED["output_rules"][0]
        case Rejected(reason=reason):
            return REJECTED[reason][0]
        case Failed(phase=phase):
            return FAILED[phase][0]


def _passed(verdict: Passed) -> str:
    text = "correct" if verdict.timing else "correct, not timed"
    broken = _rules(v for v in _errors(verdict) if v.track == "stage")
    return f"{text}; breaks {broken}" if broken else text


def why(attempt: Attempt) -> tuple[str, ...]:
    """Return the sentences that explain what happened, the most important first."""
    verdict = attempt.verdict
    if verdict is None:
        return (
            "The harness failed here, not the candidate; it is in no rate, and the next run tries again.",
            *([attempt.error] if attempt.error else []),
        )
    sentences = [_what_happened(verdict)]
    if verdict.detail:
        sentences.append(verdict.detail)
    if isinstance(verdict, Rejected) and (rules := _rules(_errors(verdict))):
        sentences.append(f"Rules broken: {rules}.")
    if isinstance(verdict, Passed):
        sentences += _speed(verdict.timing) if verdict.timing else []
        sentences += _tracks(attempt, verdict)
    if verdict.variants:
        sentences.append(_variants(verdict))
    return tuple(sentences)


def _what_happened(verdict: Verdict) -> str:
    match verdict:
        case Passed():
            return "Correct on every case." if verdict.timing else _not_timed(verdict)
        case Incorrect(reason=reason):
            return INCORRECT[reason][1]
        case Rejected(reason=reason):
            return REJECTED[reason][1]
        case Failed(phase=phase):
            return FAILED[phase][1]


def _not_timed(verdict: Passed) -> str:
    if verdict.device == "cpu":
        return "Correct on every case, not timed: it ran in Triton's interpreter on a CPU."
    return "Correct on every case, not timed."


def _errors(verdict: Verdict) -> list[Violation]:
    return [v for v in verdict.violations if v.severity == "error"]


def _rules(violations: Iterable[Violation]) -> str:
    counts = Counter(violation.rule for violation in violations)
    return ", ".join(rule if n == 1 else f"{rule} ({n} times)" for rule, n in counts.items())


def _speed(timing: Timing) -> list[str]:
    against = {"eager PyTorch": timing.speedup.eager, "torch.compile": timing.speedup.compile}
    against["the current code"] = timing.speedup.current
    parts = [f"{times(ratio.median)} against {name}" for name, ratio in against.items() if ratio]
    sentences = [f"One call takes {timing.candidate_ms.median:.4g} ms: {', '.join(parts)}."]
    if timing.fraction_of_floor is not None and timing.floor_ms is not None:
        floor = f"{timing.floor_ms:.4g} ms{floor_grounds(timing)}"
        share = percent(timing.fraction_of_floor)
        sentences.append(
            f"The floor, what a good kernel can hope for, is {floor}: it reaches {share} of that speed."
        )
    if timing.kernels:
        sentences.append(_heaviest(timing))
    if timing.decision is not None:
        sentences.append(_DECISIONS[timing.decision])
    if not timing.stable:
        sentences.append("The timing was not stable; take the numbers with care.")
    return sentences


_DECISIONS = {
    "keep": "Keep: the gain over the current code is beyond doubt.",
    "revert": "Revert: there is no gain over the current code worth keeping.",
    "inconclusive": "Inconclusive: the interval does not say whether it gains on the current code.",
}


def _heaviest(timing: Timing) -> str:
    top = max(timing.kernels, key=lambda kernel: kernel.share)
    owner = "its own" if top.own else "not its own"
    return f"Most of the time, {percent(top.share)}, goes to {top.name} ({owner})."


def _tracks(attempt: Attempt, verdict: Passed) -> list[str]:
    if attempt.stage is None:
        return []
    if verdict.tracks.stage is None:
        return [f"Whether it keeps to the stage {attempt.stage} is not decided."]
    if verdict.tracks.stage:
        return [f"It keeps to the stage {attempt.stage}."]
    broken = _rules(v for v in _errors(verdict) if v.track == "stage")
    reason = f" ({broken})" if broken else ""
    return [f"It breaks the stage {attempt.stage}{reason}, so it counts on the open track only."]


def _variants(verdict: Verdict) -> str:
    failed = [variant.case for variant in verdict.variants if variant.status == "failed"]
    if not failed:
        return (
            "Robust: no variant (other dims, types, layouts) failed."
            if verdict.robust
            else "No variant failed."
        )
    return f"Variants that fail, which decides nothing: {', '.join(failed)}."
