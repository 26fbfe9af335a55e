"""One call with fresh, private contents, and the check of everything that came back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge.compare import Mismatch, explain
from eval.judge.contents import CHANGES, GIVEN, NEAR, Change, change_little, fill, fill_whole
from eval.judge.faults import incorrect
from eval.judge.form import changed_input, check_facts, check_form, check_inputs, unchanged
from eval.judge.proposals import dense_families, families, usual_family
from eval.judge.regions import bytes_needed
from eval.judge.rows import BLOCK_ELEMENTS
from eval.judge.value_check import ValueCheck
from eval.judge.weights import Weights
from eval.plain import encode
from eval.tensors import TensorDesc

if TYPE_CHECKING:
    from eval.judge.model import Tensors
    from eval.judge.reference import CaseReference, InputSpec, Signature
    from eval.judge.regions import Region
    from eval.judge.runner import Facts, Runner
    from eval.judge.tolerance import Right
    from eval.records import Problem

Writer = Callable[[int, TensorDesc, torch.Tensor], None]
"""Writes an input, by its number, its place and its contents."""


class _Laid(NamedTuple):
    """The place of one input."""

    desc: TensorDesc
    message: dict[str, Any]
    tensor: torch.Tensor


class Prepared(NamedTuple):
    """Inputs that were written for a call, and the judge's own copy of them."""

    message: list[dict[str, Any]]
    placed: list[torch.Tensor | None]
    private: list[Any]
    family: str
    state: Tensors | None = None
    """Weights that the call finds; None where the reference keeps none."""


class Caller:
    """Writes inputs, lets a runner work on them, and checks the outputs in place."""

    def __init__(
        self, problem: Problem, region: Region, private: dict[tuple[Any, ...], torch.Tensor] | None = None
    ) -> None:
        """Callers that take turns may share `private`, the judge's own copies of what was written."""
        self._problem, self._region = problem, region
        self.values = ValueCheck(problem)
        """Compares outputs with the oracle."""
        self._rng = torch.Generator(device=region.base.device)
        self._private = private if private is not None else {}
        self._answered: list[torch.Tensor] = []
        """Outputs of the last checked call."""
        self._laid: dict[tuple[CaseReference, int], list[_Laid | None]] = {}
        """Where inputs go, by case and slot."""

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Kinds of contents that decide."""
        return families(self._problem)

    @cached_property
    def dense(self) -> tuple[str, ...]:
        """Those that are cheap to make at any size."""
        return dense_families(self._problem)

    @cached_property
    def usual(self) -> str:
        """Contents where no kind is asked for."""
        return usual_family(self._problem)

    def construct(self, runner: Runner, key: str, case: CaseReference) -> None:
        """Make the instance that later calls name by `key`, with weights that both sides know.

        Raises:
            FaultRaised: its constructor fails.

        """
        if case.keeps() or case.stateful:
            runner.weights[key] = Weights(runner, key, case, self._region)
        else:
            runner.instance(key, case.init, dtype=case.case.dtype)

    def renew(self, runner: Runner, key: str) -> Tensors | None:
        """Give an instance new weights, and return what the reference must find."""
        self._rng.manual_seed(secrets.randbits(63))
        return runner.weights[key].renew(self._rng) if key in runner.weights else None

    def prepare(
        self, case: CaseReference, family: str, slot: int = 0, *, write: Writer | None = None,
        fresh: bool = True, change: Change | None = None,
    ) -> Prepared:  # fmt: skip
        """Make contents that nobody has seen before, under a seed that nobody knows, and `write` them.

        Calls of one batch have their inputs in slots of their own. What is not `fresh` is what the last call
        of a caller that shares `private` had. With a `change`, floating inputs are those of the last call,
        so changed, where they have room for it.
        """
        self._rng.manual_seed(secrets.randbits(63))
        placed: list[torch.Tensor | None] = []
        private: list[Any] = []
        given = self._given(case, family)
        for index, (spec, laid) in enumerate(zip(case.inputs, self._places(case, slot), strict=True)):
            if laid is None:
                placed.append(None)
                private.append(spec.value)
                continue
            key = (slot, index), laid.desc.shape, laid.desc.dtype
            fill_it = fresh or key not in self._private
            copy = self._copy_for(key)
            near = change if copy.is_floating_point() and not spec.own else None
            if fill_it and not (near and change_little(copy, near, self._rng)):
                if given is not None and (spec.own or family == GIVEN):
                    copy.copy_(given[index])
                else:
                    self._refill(copy, spec, family)
            (write or self._write)(index, laid.desc, copy)
            placed.append(laid.tensor)
            private.append(copy)
        return Prepared(self.named(case, slot), placed, private, family)

    def named(self, case: CaseReference, slot: int = 0) -> list[dict[str, Any]]:
        """Name the inputs of a call as a runner knows them: by place, whatever is there, or by value."""
        return [
            laid.message if laid is not None else {"value": encode(spec.value)}
            for spec, laid in zip(case.inputs, self._places(case, slot), strict=True)
        ]

    def prepare_near(
        self, case: CaseReference, answered: list[torch.Tensor], signature: Signature,
        state: Tensors | None = None,
    ) -> tuple[Prepared, list[Right] | None]:  # fmt: skip
        """Change contents of the last call in a place or two, so that `answered`, right there, is wrong.

        Where nothing that is tried changes the answer, what was tried last stands. With it comes the answer
        that is right then, None where outputs are compared in parts.
        """
        for change in CHANGES:
            prepared = self.prepare(case, self.usual, change=change)._replace(family=NEAR, state=state)
            right = self.values.right(case, prepared, signature.elements())
            if self.values.differs(case, prepared, right, answered):
                break
        return prepared, right

    def _write(self, _number: int, desc: TensorDesc, contents: torch.Tensor) -> None:
        self._region.tensor(desc).copy_(contents)

    def _given(self, case: CaseReference, family: str) -> list[Any] | None:
        if family != GIVEN and not any(spec.own for spec in case.inputs):
            return None
        return case.given(self._region.base.device)

    def _refill(self, copy: torch.Tensor, spec: InputSpec, family: str) -> None:
        if spec.origin.bounds is not None:
            fill_whole(copy, *spec.origin.bounds, self._rng)
        else:
            fill(copy, family, self._rng)

    def _places(self, case: CaseReference, slot: int) -> list[_Laid | None]:
        if (case, slot) not in self._laid:
            start = slot * bytes_needed(case.inputs, self._region.align) if slot else 0
            self._laid[case, slot] = [
                _Laid(desc, {"tensor": desc.model_dump(mode="json")}, self._region.tensor(desc))
                if desc is not None
                else None
                for desc in self._region.place(case.inputs, case.case.layout, start)
            ]
        return self._laid[case, slot]

    def _copy_for(self, key: tuple[tuple[int, int], tuple[int, ...], str]) -> torch.Tensor:
        if key not in self._private:
            _, shape, dtype = key
            device = self._region.base.device
            self._private[key] = torch.empty(shape, dtype=getattr(torch, dtype), device=device)
        return self._private[key]

    def forget(self) -> None:
        """Give back the judge's own copies."""
        self._private.clear()

    def checked_call(
        self,
        runner: Runner,
        case: CaseReference,
        signature: Signature,
        family: str,
        *,
        key: str,
        in_full: bool = True,
        alone: bool = True,
        meanwhile: Callable[[], None] | None = None,
        **options: Any,
    ) -> Facts:
        """Prepare, call and check; `NEAR` follows a call of the same case.

        Not `in_full` looks at some rows of a large output alone; what need not be `alone` on the device is
        called while the right answer is computed there, and looked at with one wait for all. What is done
        `meanwhile` beside one that is alone is nothing on the device.

        Raises:
            FaultRaised: whatever is wrong first.

        """
        state = self.renew(runner, key)
        right: list[Right] | None = None
        if family == NEAR:
            prepared, right = self.prepare_near(case, self._answered, signature, state)
        else:
            prepared = self.prepare(case, family)._replace(state=state)
        self.poison(runner)

        def compute() -> None:
            nonlocal right
            right = right or self.values.right(case, prepared, signature.elements())

        reply = runner.call(key, prepared.message, meanwhile=meanwhile if alone else compute, **options)
        check_form(reply, signature)
        check_facts(reply.facts)
        self._answered = _out_of_reach(runner.tensors(reply))
        if right:
            clear = self.values.clearly_right(right, self._answered)
            clearly, *same = torch.stack([clear, *unchanged(prepared)]).tolist()
            if not all(same):
                raise changed_input()
            if clearly:
                return reply.facts
        check_inputs(prepared, in_full=in_full)
        worst = self.values.check(case, prepared, self._answered, in_full=in_full)
        if worst is not None:
            raise self._wrong(runner, case, signature, prepared, worst, {"key": key, **options})
        return reply.facts

    def _wrong(
        self, runner: Runner, case: CaseReference, signature: Signature, prepared: Prepared, worst: Mismatch,
        options: dict[str, Any],
    ) -> Exception:  # fmt: skip
        """Ask the same again: an answer that is right the second time is a race, not a formula."""
        text = f"case {case.case.name}, {prepared.family} contents: {explain(worst)}"
        if options["key"] in runner.weights:
            text += runner.weights[options["key"]].hint()
        if not worst.finite:
            return incorrect("not_finite", text)
        if options["key"] in runner.weights:
            runner.weights[options["key"]].restore()
        self.poison(runner)
        again = runner.call(inputs=prepared.message, **options)
        check_form(again, signature)
        if self.values.check(case, prepared, runner.tensors(again)) is None:
            return incorrect("nondeterministic", f"wrong once, right on the same input the next time; {text}")
        return incorrect("values", text)

    def poison(self, runner: Runner) -> None:
        """Fill what memory the runner has used and does not say it uses now, and wait until that is done."""
        self._region.poison(runner.live)
        if self._region.base.is_cuda:
            torch.cuda.synchronize()


def _out_of_reach(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Copy what is small, so that it stays as it is checked; what is large stays where a runner can write."""
    small = sum(output.numel() for output in outputs) <= BLOCK_ELEMENTS
    return [output.clone() for output in outputs] if small else outputs
