"""Who gets how much device memory: reckoned without a GPU."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

import torch

from eval.judge.footprint import peak_bytes
from eval.judge.memory_plan import Needs, fitting, least, needs_of, room_for
from eval.judge.reference import CaseReference, size_case
from harness.problems import load_problem

GB = 10**9
RUNNERS = 4
SMALL_CONTEXT = 500_000_000
"""Of the judge's own process, which is there before it plans."""


def needs(name, size=None):
    problem = load_problem(name).problem
    return needs_of(problem, CaseReference(problem, size_case(problem, size)), runners=RUNNERS)


@pytest.fixture(scope="module")
def seed():
    return needs("cumsum_exclusive")


def test_the_seeds_full_size_is_judged_within_22_gb(seed):
    matrix = 4 * 32768 * 32768
    assert seed.private_bytes == matrix
    assert seed.moved_bytes == matrix + 4 * 32767 * 32769
    plan = fitting(seed, 22 * GB - SMALL_CONTEXT)
    assert plan.regions == 1
    assert plan.needed_bytes + SMALL_CONTEXT <= 22 * GB


def test_the_heap_holds_the_references_joined_matrix_beside_its_output(seed):
    joined = 4 * 32768 * 32769
    assert seed.reference_bytes == pytest.approx(joined + 4 * 32767 * 32769, rel=1e-4)
    tuner, flush = 256 << 20, 2 * (72 << 20)
    assert least(seed).heap_bytes >= seed.reference_bytes + tuner + flush


def test_memory_is_shared_only_where_it_is_short(seed):
    found = [fitting(seed, there * GB) for there in (80, 60, 36, 22, 15)]
    assert [plan and plan.regions for plan in found] == [4, 2, 2, 1, None]
    sizes = [plan.needed_bytes for plan in found if plan]
    assert sizes == sorted(sizes, reverse=True)
    assert fitting(seed, least(seed).needed_bytes) == least(seed)
    assert fitting(seed, least(seed).needed_bytes - 1) is None


@pytest.mark.parametrize("name", ["cumsum_exclusive", "attention", "matmul", "top_k"])
def test_smaller_sizes_take_less(name):
    sizes = load_problem(name).problem.sizes
    found = [least(needs(name, size.name)).needed_bytes for size in (sizes[0], sizes[-1])]
    assert found == sorted(found, reverse=True)


def test_a_turn_of_several_calls_has_room_for_all_of_them():
    many = needs("cumsum_exclusive", "4096")
    plan = least(many)
    assert many.calls > 1
    assert plan.input_bytes >= many.calls * many.input_bytes
    assert plan.heap_bytes >= many.calls * many.output_bytes + many.reference_bytes - many.output_bytes


def test_what_the_reference_holds_between_makes_the_heap_larger():
    plain = Needs(
        input_bytes=GB, private_bytes=GB, moved_bytes=2 * GB, state_bytes=0, largest_input=GB // 4,
        oracle_bytes=GB, output_bytes=GB, reference_bytes=GB, calls=1, runners=3,
    )  # fmt: skip
    hungry = plain._replace(reference_bytes=7 * GB)
    assert least(hungry).heap_bytes - least(plain).heap_bytes == 5 * GB


def test_a_peak_counts_what_is_alive_at_once():
    def run():
        first = torch.zeros(1000, dtype=torch.float64)
        second = first + 1
        del first
        third = second * 2
        return third.view(10, 100)

    with torch.device("meta"):
        assert peak_bytes(run) == 16_000


@pytest.mark.parametrize(("fused", "scores"), [(True, 0), (False, 1)])
def test_attention_has_no_scores_where_it_is_fused(fused, scores):
    with torch.device("meta"):
        query, key = torch.zeros(2, 4, 512, 64), torch.zeros(2, 4, 2048, 64)
        value = torch.zeros(2, 4, 2048, 32)
        attend = torch.nn.functional.scaled_dot_product_attention
        found = peak_bytes(lambda: attend(query, key, value), fused=fused)
    output = 4 * 2 * 4 * 512 * 32
    assert found == output if fused else found >= output + scores * 4 * 2 * 4 * 512 * 2048


@pytest.mark.parametrize(
    ("free", "total", "count"), [(80, 140, 2), (50, 140, 2), (40, 140, 1), (34, 140, 0), (14, 24, 0)]
)
def test_regions_for_those_who_wait_leave_a_part_of_the_card_free(free, total, count):
    region = 13 * GB
    assert room_for(2, region, free * GB, total * GB) == count
    left = free * GB - count * region
    assert count == 0 or left >= total * GB // 16 + region
