"""Outputs too large to hold twice are compared in blocks of rows, all of them or a few drawn all over."""

from contextlib import closing
from itertools import pairwise

import pytest

pytest.importorskip("torch")

import torch

from eval.judge.calls import Caller
from eval.judge.proposals import references
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import HostRegion, bytes_needed
from eval.judge.rows import all_blocks, as_bits, gathered, places, row_at, some_blocks
from eval.tensors import DTYPES, torch_dtype
from harness.problems import load_problem

TWICE = """
import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, x):
        return x * 2


def get_inputs():
    return [torch.rand(1034, 32768)]


def get_init_inputs():
    return []
"""


@pytest.mark.parametrize("shape", [(32767, 32769), (1 << 25, 1), (5, 1 << 24), (3, 7)])
def test_blocks_are_all_rows_once(shape):
    blocks = all_blocks(torch.empty(shape, device="meta"))
    assert blocks[0].start == 0
    assert blocks[-1].stop == shape[0]
    assert all(a.stop == b.start for a, b in pairwise(blocks))


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 511, 512, 32767, 1 << 20])
def test_some_blocks_lie_all_over_and_apart(rows):
    for _ in range(20):
        blocks = some_blocks((rows, 1024))
        assert blocks
        assert all(0 <= block.start < block.stop <= rows for block in blocks)
        assert all(a.stop <= b.start for a, b in pairwise(blocks))
        assert len(set(map(len, blocks))) == 1
        assert sum(map(len, blocks)) <= max(64, rows // 32)


def test_no_row_is_left_out_for_ever():
    """A candidate cannot know rows that are never looked at."""
    rows = 331
    seen = set()
    for _ in range(1500):
        seen.update(row for block in some_blocks((rows, 8)) for row in block)
    assert seen == set(range(rows))


@pytest.mark.parametrize("shape", [(32767, 32769), (1 << 28, 1), (5, 1 << 24), (2, 1 << 28), (1, 7)])
def test_a_quick_look_holds_no_more_than_a_block_or_a_row(shape):
    for overlap in (0, 1, 3):
        blocks = some_blocks(shape, overlap)
        read = sum(map(len, blocks)) + len(blocks) * overlap
        assert read * shape[1] <= max(1 << 23, (1 + overlap) * shape[1])


@pytest.mark.parametrize("overlap", [0, 1, 3])
@pytest.mark.parametrize("last", [50, 97, 99, 100])
def test_what_is_gathered_and_kept_are_the_rows_of_the_blocks(overlap, last):
    rows = torch.arange(100).unsqueeze(1)
    blocks = [range(2, 5), range(5, 8), range(last - 3, last)]
    wanted = [row for block in blocks for row in block]
    behind = gathered(rows, blocks, overlap)
    assert behind.flatten().tolist() == [
        row for block in blocks for row in range(block.start, min(block.stop + overlap, 100))
    ]
    assert behind[places(blocks, overlap, rows.device)].flatten().tolist() == wanted
    assert [row_at(blocks, index) for index in range(len(wanted))] == wanted


@pytest.mark.parametrize("name", [*DTYPES])
def test_rows_of_any_dtype_are_gathered(name):
    whole = torch.arange(64, dtype=torch.uint8).repeat(2).view(torch_dtype(name)).view(-1, 2)
    for rows in (whole, whole.t().contiguous().t(), whole[:, 0]):
        found = gathered(rows, [range(1), range(2, 3)])
        assert found.dtype == rows.dtype
        assert torch.equal(as_bits(found), as_bits(rows)[[0, 2]])


def test_what_lies_behind_the_last_row_is_left_out():
    rows = torch.arange(4).unsqueeze(1)
    assert gathered(rows, [range(1, 2), range(2, 3)], overlap=2).flatten().tolist() == [1, 2, 3, 2, 3]


@pytest.mark.parametrize("row", [0, 300, 1033])
def test_a_comparison_in_blocks_names_the_row_that_is_wrong(row, tmp_path):
    """Of three blocks, by a reference that keeps its rows apart."""
    path = tmp_path / "1_twice.py"
    path.write_text(TWICE)
    problem = load_problem(path).problem.model_copy(update={"row_overlap": 0})
    case = CaseReference(problem, size_case(problem, None))
    with closing(HostRegion(bytes_needed(case.inputs, HostRegion.align), 0)) as region:
        caller = Caller(problem, region)
        prepared = caller.prepare(case, caller.usual)
        outputs = [2 * prepared.private[0]]
        assert len(all_blocks(outputs[0])) == 3
        assert caller.values.check(case, prepared, outputs) is None
        outputs[0][row, 5] += 1.0
        assert caller.values.check(case, prepared, outputs).index == (row, 5)
        prepared.private[0][row, 5] = torch.inf
        outputs[0][row, 5] = torch.inf
        assert caller.values.check(case, prepared, outputs) is None
        outputs[0][-1, 0] = torch.nan
        assert caller.values.check(case, prepared, outputs).index == (1033, 0)


@pytest.mark.parametrize("name", ["cumsum_exclusive", "softmax"])
def test_a_quick_look_finds_what_is_wrong_where_it_looks(name, monkeypatch):
    monkeypatch.setattr("eval.judge.value_check.BLOCK_ELEMENTS", 16)
    problem = load_problem(name).problem
    case = max(references(problem, problem.cases), key=lambda one: one.inputs[0].shape[0])
    with closing(HostRegion(bytes_needed(case.inputs, HostRegion.align, 2), 0)) as region:
        caller = Caller(problem, region)
        prepared = caller.prepare(case, caller.usual)
        outputs = [part.to(torch.float32) for part in case.expected(prepared.private)]
        foreseen = [caller.values.foresee(case, prepared, case.signature()) for _ in range(200)]
    assert [one.worst(one.look(outputs)) for one in foreseen] == [None] * 200
    row = outputs[0].shape[0] // 2
    outputs[0][row] += 100.0
    seen = [one.look(outputs) for one in foreseen]
    outputs[0][row] -= 100.0  # too late
    found = [one.worst(parts) for one, parts in zip(foreseen, seen, strict=True)]
    clear = [bool(one.clearly_right(parts)) for one, parts in zip(foreseen, seen, strict=True)]
    assert clear == [one is None for one in found]
    assert {one.index[0] for one in found if one is not None} == {row}
    assert None in found
