"""Where regions lie: in pieces that are dealt at random, and whose descriptors only their own runner gets."""

import os
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from hypothesis import given
from hypothesis import strategies as st
from judge_work import HONEST, LIMITS, PROBLEM, until

from eval import protocol
from eval.cuda.driver import Piece
from eval.cuda.pieces import MOST_PIECES, hands, piece_sizes
from eval.judge.calls import Caller
from eval.judge.correctness import instance_key
from eval.judge.processes import Zygote
from eval.judge.reference import CaseReference
from eval.judge.regions import DeviceRegion, HostRegion
from eval.judge.runner import Runner
from eval.records import Case
from eval.runner.zygote import _FDS

MIB, GIB = 1 << 20, 1 << 30
STEP = 2 * MIB
MOST_IN_A_MESSAGE = 253
"""Descriptors: SCM_MAX_FD of Linux."""


@given(st.integers(1, 1 << 16), st.sampled_from([STEP, 4 * MIB, 32 * MIB]))
def test_pieces_make_up_the_whole_and_are_few(steps, step):
    sizes = piece_sizes(steps * step, step)
    assert sum(sizes) == steps * step
    assert len(sizes) <= MOST_PIECES
    assert all(size % step == 0 for size in sizes)
    assert set(sizes[:-1]) <= {sizes[0]}
    assert 0 < sizes[-1] <= sizes[0]
    assert len(sizes) == 1 or sizes[0] >= 16 * MIB


@pytest.mark.parametrize(
    ("size", "count", "first"),
    [(STEP, 1, STEP), (16 * MIB, 1, 16 * MIB), (18 * MIB, 2, 16 * MIB), (GIB, 64, 16 * MIB),
     (GIB + STEP, 57, 18 * MIB), (4 * GIB, 64, 64 * MIB), (13 * GIB, 64, 208 * MIB)],
)  # fmt: skip
def test_pieces_are_as_small_as_their_number_allows(size, count, first):
    sizes = piece_sizes(size, STEP)
    assert (len(sizes), sizes[0]) == (count, first)


def test_the_descriptors_of_one_runner_fit_into_one_message():
    assert _FDS <= MOST_IN_A_MESSAGE


def made(size_bytes, count):
    sizes = [size for size in piece_sizes(size_bytes, STEP) for _ in range(count)]
    return [Piece(number, size) for number, size in enumerate(sizes)]


@given(st.integers(1, 1 << 12), st.integers(1, 6))
def test_every_region_gets_pieces_of_the_same_sizes_and_every_stretch(steps, count):
    pieces = made(steps * STEP, count)
    dealt = hands(pieces, count)
    assert sorted(piece for hand in dealt for piece in hand) == pieces
    for hand in dealt:
        assert [piece.size_bytes for piece in hand] == piece_sizes(steps * STEP, STEP)
        assert [piece.handle // count for piece in hand] == list(range(len(hand)))


def test_which_region_gets_which_piece_is_chance():
    deals = [hands(made(4 * GIB, 4), 4) for _ in range(20)]
    places = Counter(piece.handle % 4 for deal in deals for piece in deal[0])
    assert all(200 < places[place] < 450 for place in range(4))
    assert len({tuple(deal[0]) for deal in deals}) == len(deals)


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        assert parent.versions
        yield parent


def pages_of(pid, name):
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if f"memfd:{name}" in str(path.readlink()):
                found.append(path)
    return found


def test_all_pieces_reach_the_runner_and_nobody_else(zygote):
    channel, theirs = protocol.pair()
    pages = [os.memfd_create(f"piece{number}", 0) for number in range(MOST_PIECES + 1)]
    read, write = os.pipe()
    pid = zygote.fork([theirs.fileno(), write, *pages]).pid
    theirs.close()
    for fd in (*pages, write):
        os.close(fd)
    assert until(lambda: len(pages_of(pid, "piece")) == len(pages))
    assert len({page.readlink() for page in pages_of(pid, "piece")}) == len(pages)
    assert until(lambda: not pages_of(zygote._process.pid, "piece"))
    channel.close()
    os.close(read)
    assert zygote.exit_status(pid, 20.0) is not None
    zygote.let_go(pid)


def test_memory_on_a_cpu_is_of_one_piece_and_no_descriptor_of_it_is_left_open(zygote):
    with closing(HostRegion(1 << 16, 1 << 16)) as region:
        assert region.piece_bytes == (region.size_bytes,)
        ours = len(pages_of(os.getpid(), "inputs"))
        runner = Runner(zygote, region, LIMITS, cuda=False)
        assert check(runner, region, rows=5, columns=7)
        assert len(pages_of(os.getpid(), "inputs")) == ours
        assert not pages_of(zygote._process.pid, "inputs")
        # Python's `mmap` keeps one of its own.
        assert len(pages_of(runner.pid, "inputs")) == 1
        runner.kill()


def check(runner, region, rows, columns):
    """Let an honest runner read what the judge writes, and compare what it writes with the oracle."""
    case = CaseReference(PROBLEM, Case(name="some", constants={"rows": rows, "columns": columns}))
    caller, key = Caller(PROBLEM, region), instance_key(case)
    runner.load(HONEST, "ModelNew")
    caller.construct(runner, key, case)
    caller.checked_call(runner, case, case.signature(), caller.dense[0], key=key)
    return runner.alive()


@pytest.mark.gpu
def test_regions_that_are_dealt_together_are_apart_and_read_across_pieces():
    import torch

    with closing(Zygote(cuda=True)) as zygote:
        torch.zeros(1, device="cuda")
        before = torch.cuda.mem_get_info()[0]
        regions = DeviceRegion.deal(3, 128 * MIB, 1 * GIB)
        assert {len(region.piece_bytes) for region in regions} == {len(piece_sizes(128 * MIB + GIB, STEP))}
        for mark, region in enumerate(regions):
            assert sum(region.piece_bytes) == region.size_bytes
            region.base.fill_(mark)
        assert all(bool((region.base == mark).all()) for mark, region in enumerate(regions))
        taken = before - torch.cuda.mem_get_info()[0]
        assert taken >= sum(region.size_bytes for region in regions)
        runners = [Runner(zygote, region, LIMITS, cuda=True) for region in regions[:2]]
        for runner, region in zip(runners, regions, strict=False):
            assert check(runner, region, rows=5000, columns=5000)
        assert bool((regions[2].base == 2).all())
        for runner in runners:
            runner.kill()
        for region in regions:
            region.close()
        torch.cuda.empty_cache()
        assert until(lambda: before - torch.cuda.mem_get_info()[0] < 256 * MIB)


@pytest.mark.gpu
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_kept():
    import torch

    from eval.cuda.driver import CudaDriverError

    with closing(DeviceRegion(64 * MIB, 64 * MIB)):
        before, total = torch.cuda.mem_get_info()
        with pytest.raises(CudaDriverError, match="cuMemCreate: CUDA_ERROR_OUT_OF_MEMORY"):
            DeviceRegion.deal(3, total // 2, total // 8)
        assert abs(torch.cuda.mem_get_info()[0] - before) < 64 * MIB
