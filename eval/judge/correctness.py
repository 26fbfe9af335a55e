"""Is a candidate right? Cases, contents and configurations in an order that it cannot foresee."""

from __future__ import annotations

import json
import secrets
from functools import partial
from typing import TYPE_CHECKING

from eval.judge.contents import CLIFF, GIVEN, NEAR, ONE_SIGN
from eval.judge.faults import FaultRaised, failed, rejected
from eval.judge.form import check_form
from eval.judge.library import compute_operators, operator_families
from eval.judge.proposals import MIXED
from eval.plain import encode
from eval.records import Incorrect, VariantResult
from eval.stage.sides import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.answers import Seen
    from eval.judge.calls import Caller
    from eval.judge.reference import CaseReference, Signature
    from eval.judge.runner import Facts, Runner
    from eval.judge.tolerance import Right

_LEAST_CALLS = 12
_CASES_PER_CONFIG = 2
_DETAIL_CHARS = 500
_MOST_CONFIGS = 256
_TWICE = (MIXED, GIVEN)
"""Families that are drawn twice as often as the others."""
_NEAR_SERIES, _NEAR_CALLS = 2, 2
_SUPPRESSED = 2
"""Calls without launches of a runner that serves audits alone."""
_STALLED = ("run", "unsupported", "timeout")
_MODERATE = 0.01, 0.5
"""Part of the largest case's elements that a case of moderate size has."""
_random = secrets.SystemRandom()


def instance_key(case: CaseReference) -> str:
    """Cases whose constructor arguments, dtype and weights agree share one instance."""
    shapes = [[entry.name, *entry.tensor.shape] for entry in case.keeps()]
    return json.dumps([encode(case.init), case.case.dtype, *shapes])


class Correctness:
    """Runs the deciding cases of one candidate, then its variants."""

    def __init__(self, caller: Caller, runner: Runner, *, guard: bool) -> None:
        self._caller, self._runner, self._guard = caller, runner, guard
        self._known: set[str] = set()
        self._signatures: dict[str, Signature] = {}
        self._launched: set[str] = set()
        self._dealt: list[str] = []
        self.configs: dict[str, int] = {}
        self.launched: frozenset[str] = frozenset()
        """Names of the kernels that ran on the deciding cases, as the runner tells them."""
        self.calls = 0
        self.counts: dict[str, set[Counts]] = {}
        """What calls did, by case, each kind of call once."""
        self.first = Counts()
        """What the first call did."""
        self.seen: Seen | None = None
        """Launches of the deciding cases, where the runner interprets them."""

    def decide(self, cases: list[CaseReference]) -> None:
        """Call every case, every configuration and every audit.

        The case with the longest rows gets contents of one sign at least once, where the reference takes any:
        an error in what is carried from one block of a row to the next may show nowhere else, and hardly
        where sums stay small.

        Raises:
            FaultRaised: the first thing that is wrong.

        """
        if not cases:
            return
        order, widest = _random.sample(cases, len(cases)), max(cases, key=_width)
        growing = ONE_SIGN if ONE_SIGN in self._caller.families else None
        for index, case in enumerate(order):
            self._call(case, forced=index, family=growing if case is widest else None)
        self._work_off(self._remaining(cases))
        self.launched = frozenset(self._launched)
        self.seen = self._runner.seen()

    def audit(self, cases: list[CaseReference]) -> None:
        """Suppress launches from the first call on, for a runner that serves no other purpose.

        Contents are as in any call. What comes of a call after one without launches is not held
        against the candidate, since an honest one may have kept, or may wait for, what a kernel
        was to compute.

        Raises:
            FaultRaised: a library computed, or an output was right that no kernel can have written.

        """
        moderate = _moderate(cases)
        for suppress in _random.sample([True, False], counts=[_SUPPRESSED, 1], k=_SUPPRESSED + 1):
            audit = self._audit_launches if suppress else self._audit_operators
            try:
                audit(_random.choice(moderate))
            except FaultRaised as raised:
                if raised.phase not in _STALLED:
                    raise

    def _remaining(self, cases: list[CaseReference]) -> list[Callable[[], object]]:
        count = max([1, *self.configs.values()])
        if count > _MOST_CONFIGS:
            raise failed("timeout", f"{count} configurations; at most {_MOST_CONFIGS} can each be checked")
        largest = max(cases, key=_elements)
        picks = [(config, case) for config in range(count) for case in self._cases_for(cases, largest)]
        while len(picks) + _NEAR_SERIES * (1 + _NEAR_CALLS) + self.calls < _LEAST_CALLS:
            picks.append((_random.randrange(count), _random.choice(cases)))
        work: list[Callable[[], object]] = [
            partial(self._call, case, forced=config) for config, case in picks
        ]
        moderate = _moderate(cases)
        usual, wide = self._caller.usual, sorted(moderate, key=_width)[len(moderate) // 2 :]
        second = CLIFF if CLIFF in self._caller.families else usual
        work += [
            partial(self._call_near, _random.choice(moderate), usual),
            partial(self._call_near, _random.choice(wide), second),
        ]
        if self._guard:
            work += [partial(self._audit_launches, case) for case in (largest, _random.choice(moderate))]
        return _random.sample(work, len(work))

    def _cases_for(self, cases: list[CaseReference], largest: CaseReference) -> list[CaseReference]:
        others = [case for case in cases if case is not largest]
        return [largest, *_random.sample(others, min(len(others), _CASES_PER_CONFIG - 1))]

    @staticmethod
    def _work_off(work: list[Callable[[], object]]) -> None:
        for step in work:
            step()

    def prepare_instance(self, case: CaseReference) -> str:
        """Construct the instance that a case needs, once."""
        key = instance_key(case)
        if key not in self._known:
            self._caller.construct(self._runner, key, case)
            self._known.add(key)
        return key

    def signature(self, case: CaseReference) -> Signature:
        """Return what the output of a case looks like."""
        if case.case.name not in self._signatures:
            self._signatures[case.case.name] = case.signature()
        return self._signatures[case.case.name]

    def _call_near(self, case: CaseReference, family: str) -> None:
        """Call again with contents that differ from those before in a place or two.

        Earlier outputs are kept meanwhile, so that one that is used again shows.
        """
        self._call(case, forced=0, family=family)
        for _ in range(_NEAR_CALLS):
            self._call(case, forced=0, family=NEAR, hold=True)

    def _call(
        self, case: CaseReference, *, forced: int | None, family: str | None = None, hold: bool | None = None
    ) -> None:
        key = self.prepare_instance(case)
        facts = self._caller.checked_call(
            self._runner,
            case,
            self.signature(case),
            family or self._family(),
            key=key,
            forced=forced,
            hold=_random.choice((True, False)) if hold is None else hold,
            guard=self._guard,
            alone=False,
        )
        self._check_operators(facts)
        self.calls += 1
        self.configs |= facts.configs
        self._launched |= set(facts.launched)
        counts = _counts(facts)
        if not self.counts:
            self.first = counts
        self.counts.setdefault(case.case.name, set()).add(counts)

    def _family(self) -> str:
        """Deal the families like cards, so that none is left out by luck."""
        if not self._dealt:
            names = self._caller.families
            names += tuple(name for name in names if name in _TWICE)
            self._dealt = _random.sample(names, len(names))
        return self._dealt.pop()

    def _check_operators(self, facts: Facts) -> None:
        """Require of every call that no library does the problem's computation."""
        found = compute_operators(facts.operators or {}) if self._guard else []
        if found:
            raise rejected(
                "library_compute",
                f"forward computes with library operators: {', '.join(found)}",
                "operator_log",
            )

    def _audit_operators(self, case: CaseReference) -> None:
        key = self.prepare_instance(case)
        self._caller.renew(self._runner, key)
        prepared = self._caller.prepare(case, self._caller.usual)
        self._caller.poison(self._runner)
        reply = self._runner.call(key, prepared.message, forced=0, guard=True)
        self._check_operators(reply.facts)

    def _audit_launches(self, case: CaseReference) -> None:
        """Suppress all launches: an output that is right all the same was not written by a kernel."""
        key = self.prepare_instance(case)
        state = self._caller.renew(self._runner, key)
        prepared = self._caller.prepare(case, self._caller.usual)._replace(state=state)
        self._caller.poison(self._runner)
        right: list[Right] | None = None

        def compute() -> None:
            nonlocal right
            right = self._caller.values.right(case, prepared, self.signature(case).elements())

        try:
            reply = self._runner.call(
                key, prepared.message, meanwhile=compute, forced=0, suppress=True, guard=True
            )
            self._check_operators(reply.facts)
            check_form(reply, self.signature(case))
        except FaultRaised as raised:
            if isinstance(raised.fault, Incorrect) or raised.phase in ("run", "unsupported"):
                return
            raise
        if not self._caller.values.differs(case, prepared, right, self._runner.tensors(reply)):
            raise rejected(
                "library_compute",
                "the output is right although no kernel was launched",
                "suppressed_launches",
            )

    def variants(self, cases: list[CaseReference]) -> tuple[VariantResult, ...]:
        """Try each variant once; a candidate that dies of one is not asked for the rest."""
        results: list[VariantResult] = []
        for case in cases:
            if not self._runner.alive():
                results.append(
                    VariantResult(case=case.case.name, status="failed", detail="not run: ended before")
                )
                continue
            results.append(self._variant(case))
        return tuple(results)

    def _variant(self, case: CaseReference) -> VariantResult:
        try:
            self._call(case, forced=0)
        except FaultRaised as raised:
            return VariantResult(
                case=case.case.name,
                status="unsupported" if raised.phase == "unsupported" else "failed",
                detail=raised.detail[:_DETAIL_CHARS],
            )
        return VariantResult(case=case.case.name, status="passed")


def _counts(facts: Facts) -> Counts:
    operators = facts.operators
    return Counts(
        frozenset(facts.launched.items()),
        frozenset(operator_families(operators).items()) if operators is not None else None,
        frozenset(facts.configs.items()),
    )


def _moderate(cases: list[CaseReference]) -> list[CaseReference]:
    """Cases too large to be right by luck and too small to take long; all where there are none."""
    low, high = (part * max(map(_elements, cases)) for part in _MODERATE)
    return [case for case in cases if low <= _elements(case) <= high] or cases


def _width(case: CaseReference) -> int:
    """Return the longest row of an input: short ones hold no cliff."""
    return max((spec.shape or (1,))[-1] for spec in case.inputs)


def _elements(case: CaseReference) -> int:
    total = 0
    for spec in case.inputs:
        numel = 1
        for size in spec.shape or ():
            numel *= size
        total += numel
    return total
