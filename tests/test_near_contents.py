"""Contents that hardly differ from those before, and have another right answer all the same."""

from contextlib import closing

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.calls import Caller  # noqa: E402
from eval.judge.contents import CHANGES  # noqa: E402
from eval.judge.proposals import references  # noqa: E402
from eval.judge.regions import HostRegion, bytes_needed  # noqa: E402
from harness.problems import load_problem  # noqa: E402

REDUCTION = """
import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, x):
        return {0}


def get_inputs():
    return [torch.rand(12, 33)]


def get_init_inputs():
    return []
"""
ROUNDS = 30


def asked(problem, room, rounds):
    """Yield for each case and round what was changed, and whether the answer is another one."""
    for case in [case for case in references(problem, problem.cases) if numel(case) > room]:
        with closing(HostRegion(bytes_needed(case.inputs, HostRegion.align, 2), 0)) as region:
            caller = Caller(problem, region)
            for _ in range(rounds):
                before = caller.prepare(case, caller.usual)
                old = [x.clone() for x in before.private]
                answered = [
                    part.to(dtype)
                    for part, dtype in zip(case.expected(old), case.signature().dtypes, strict=True)
                ]
                assert caller.values.check(case, before, answered) is None
                near, _ = caller.prepare_near(case, answered, case.signature())
                yield case, old[0], near.placed[0], caller.values.check(case, near, answered)


def numel(case):
    return torch.Size(case.inputs[0].shape).numel()


def test_the_answer_to_a_scan_is_another_one_each_time():
    """Also where the exchange could fall into the last row, which this problem does not look at."""
    names = set()
    for case, old, new, found in asked(load_problem("cumsum_exclusive").problem, 100, ROUNDS):
        names.add(case.case.name)
        assert found is not None, case.case.name
        assert 2 <= int((old != new).sum()) <= 2 * len(CHANGES)
    assert {"2x4096", "131x3"} < names


@pytest.mark.parametrize(
    "formula", ["x.sum()", "x.mean().reshape(1)", "x.amax()", "x.amin()", "x.amax(1)", "x.sum(0)"]
)
def test_reductions_of_any_kind_have_another_answer(tmp_path, formula):
    path = tmp_path / "reduction.py"
    path.write_text(REDUCTION.format(formula))
    for case, old, new, found in asked(load_problem(path).problem, 100, ROUNDS):
        assert found is not None, case.case.name
        assert bool(torch.isin(new, old).all()), "contents stay within the domain of those before"
