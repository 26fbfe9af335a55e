"""A timed call is looked at in a moment where what it has to give was worked out before."""

from contextlib import closing
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.calls import Caller  # noqa: E402
from eval.judge.contestant import Contestant  # noqa: E402
from eval.judge.faults import FaultRaised  # noqa: E402
from eval.judge.form import unchanged  # noqa: E402
from eval.judge.null_turns import NullTurns  # noqa: E402
from eval.judge.proposals import references  # noqa: E402
from eval.judge.regions import HostRegion, bytes_needed  # noqa: E402
from eval.judge.timing import TimingSession  # noqa: E402
from eval.tensors import TensorDesc  # noqa: E402
from harness.problems import load_problem, problem_names  # noqa: E402

PROBLEM = load_problem("cumsum_exclusive").problem
CALLS, ROOM = 3, 1 << 20


class Turn:
    """A turn of three calls on one case, whose outputs are right at first."""

    def __init__(self, region, problem):
        self.every_one = problem.row_overlap is not None
        """Whether every turn is looked at."""
        self.case = next(case for case in references(problem, problem.cases) if case.case.name == "17x127")
        caller = Caller(problem, region)
        self.candidate = Contestant("candidate", None, region, caller, "", trusted=False)
        self.candidate.event_ms = [1.0]
        self.session = TimingSession(self.case, self.case.signature(), [self.candidate], NullTurns())
        self.batch = [caller.prepare(self.case, caller.usual, call) for call in range(CALLS)]
        (shape,) = self.case.signature().shapes
        size = 4 * shape[0] * shape[1]
        places = (region.split + call * size for call in range(CALLS))
        self.told = [
            [TensorDesc(offset=place, shape=shape, stride=(shape[1], 1), dtype="float32")] for place in places
        ]
        self.outputs = [region.tensor(desc) for (desc,) in self.told]
        for prepared, output in zip(self.batch, self.outputs, strict=True):
            output.copy_(self.case.expected(prepared.private)[0])

    def look(self):
        self.session._foresee(self.candidate, self.batch)
        self.session._check(self.candidate, self.batch, self.told)

    def reasons(self, looks):
        """Return why it is refused in so many looks, each reason once; None stands for not at all."""
        found = set()
        for _ in range(looks):
            try:
                self.look()
            except FaultRaised as raised:
                found.add(raised.fault.reason)
            else:
                found.add(None)
        return found


FORESEEN = ["rows", "whole outputs"]


@pytest.fixture(params=[*FORESEEN, "outputs whose rows depend on each other"])
def turn(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(L2_cache_size=1024))
    problem = PROBLEM
    if request.param == "rows":
        monkeypatch.setattr("eval.judge.value_check.BLOCK_ELEMENTS", 64)
        monkeypatch.setattr("eval.judge.form.BLOCK_ELEMENTS", 64)
    if request.param.startswith("outputs"):
        problem = PROBLEM.model_copy(update={"row_overlap": None})
    with closing(HostRegion(ROOM, ROOM)) as region:
        yield Turn(region, problem)


def test_what_is_right_passes_and_is_counted(turn):
    assert turn.reasons(40) == {None}
    assert turn.session.checked_in_full <= turn.session.checked <= 40
    assert (turn.session.checked == 40) == turn.every_one
    assert turn.session._foreseen is None


def test_a_wrong_call_is_found_whichever_it_is(turn):
    for output in turn.outputs:
        output[:, 100] += 1.0
        assert turn.reasons(100) == {"values", None}
        output[:, 100] -= 1.0


def test_one_wrong_row_is_found_in_time(turn):
    for output in turn.outputs:
        output[9, 100] += 1.0
    assert turn.reasons(200) >= {"values"}


def test_what_is_not_finite_and_inputs_that_were_changed_are_told_apart(turn):
    for output in turn.outputs:
        output[:] = torch.nan
    assert turn.reasons(30) - {None} == {"not_finite"}
    for prepared in turn.batch:
        prepared.placed[0].add_(1.0)
    assert turn.reasons(30) - {None} == {"mutated_input"}


def test_a_change_of_an_input_that_was_seen_is_told_though_other_parts_do_not_show_it(turn, monkeypatch):
    """A part of a fortieth is looked at here, so that two looks at parts would hardly ever both see it."""
    monkeypatch.setattr("eval.judge.timing._FULL_SHARE", 0.0)
    for prepared in turn.batch:
        prepared.placed[0].view(-1)[1000] += 1.0
    refused = [turn.reasons(1) == {"mutated_input"} for _ in range(1500)]
    assert sum(refused) >= 10


@pytest.mark.parametrize("turn", FORESEEN, indirect=True)
def test_an_output_that_is_right_again_after_the_look_is_wrong_all_the_same(turn, monkeypatch):
    for output in turn.outputs:
        output.add_(1.0)

    def looked_at_inputs(prepared, *, in_full):
        for output in turn.outputs:
            output.sub_(1.0)
        return unchanged(prepared, in_full=in_full)

    monkeypatch.setattr("eval.judge.timing.unchanged", looked_at_inputs)
    assert turn.reasons(1) == {"values"}


@pytest.mark.parametrize("turn", FORESEEN, indirect=True)
def test_an_input_that_is_back_after_the_look_was_changed_all_the_same(turn, monkeypatch):
    for prepared in turn.batch:
        prepared.placed[0].add_(1.0)

    def looked_at_inputs(prepared, *, in_full):
        found = unchanged(prepared, in_full=in_full)
        for one in turn.batch:
            one.placed[0].copy_(one.private[0])
        return found

    monkeypatch.setattr("eval.judge.timing.unchanged", looked_at_inputs)
    assert turn.reasons(1) == {"mutated_input"}


def test_where_not_every_turn_is_looked_at_nothing_is_done_before_it(turn):
    """Else the time before a turn would tell whether it will be."""
    turn.session._foresee(turn.candidate, turn.batch)
    assert (turn.session._foreseen is None) == (not turn.every_one)


BY_ROWS = [name for name in problem_names() if load_problem(name).problem.row_overlap is not None]


@pytest.mark.parametrize("some_rows", [True, False])
@pytest.mark.parametrize("name", BY_ROWS)
def test_what_each_problem_gives_is_what_was_foreseen(name, some_rows, monkeypatch):
    if some_rows:
        monkeypatch.setattr("eval.judge.value_check.BLOCK_ELEMENTS", 16)
    problem = load_problem(name).problem
    case = max(references(problem, problem.cases), key=lambda one: one.inputs[0].shape[0])
    state = {entry.name: torch.randn(entry.tensor.shape) for entry in case.keeps()} or None
    with closing(HostRegion(bytes_needed(case.inputs, HostRegion.align, 2), 0)) as region:
        caller = Caller(problem, region)
        prepared = caller.prepare(case, caller.usual)._replace(state=state)
        right = case.expected(prepared.private, state)
        outputs = [part.to(dtype) for part, dtype in zip(right, case.signature().dtypes, strict=True)]
        foreseen = caller.values.foresee(case, prepared, case.signature())
    assert (foreseen.blocks is not None) == some_rows
    seen = foreseen.look(outputs)
    assert bool(foreseen.clearly_right(seen))
    assert foreseen.worst(seen) is None
