"""Outputs too large to hold twice are compared in blocks of rows, all of them or a few drawn all over."""

from itertools import pairwise

import pytest

pytest.importorskip("torch")

import torch

from eval.judge.calls import _blocks, _some_blocks


@pytest.mark.parametrize("shape", [(32767, 32769), (1 << 25, 1), (5, 1 << 24), (3, 7)])
def test_blocks_are_all_rows_once(shape):
    blocks = _blocks(torch.empty(shape, device="meta"))
    assert blocks[0].start == 0
    assert blocks[-1].stop == shape[0]
    assert all(a.stop == b.start for a, b in pairwise(blocks))


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 511, 512, 32767, 1 << 20])
def test_some_blocks_lie_all_over_and_apart(rows):
    for _ in range(20):
        blocks = _some_blocks(torch.empty((rows, 1024), device="meta"))
        assert blocks
        assert all(0 <= block.start < block.stop <= rows for block in blocks)
        assert all(a.stop <= b.start for a, b in pairwise(blocks))
        assert sum(map(len, blocks)) <= max(16, rows // 32)


def test_no_row_is_left_out_for_ever():
    """A candidate cannot know rows that are never looked at."""
    rows = 331
    seen = set()
    for _ in range(1500):
        seen.update(row for block in _some_blocks(torch.empty((rows, 8), device="meta")) for row in block)
    assert seen == set(range(rows))
