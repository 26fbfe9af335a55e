import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eval.runner.heap import ArenaExhaustedError, Heap

KIB, MIB = 1 << 10, 1 << 20
START, END = 2 * MIB, 64 * MIB


class HeapMachine(RuleBasedStateMachine):
    """Any order of taking and giving back, against a plain list of what is taken."""

    def __init__(self):
        super().__init__()
        self.heap = Heap(START, END)
        self.taken = {}
        self.peak = 0
        self.told = self.heap.told()
        self.used = np.zeros((END - START) // 512, dtype=bool)
        """Of each 512 bytes whether they have been given out since they were filled."""

    @rule(
        size=st.one_of(st.integers(0, 4 * KIB), st.integers(MIB - 1, 3 * MIB), st.integers(8 * MIB, 80 * MIB))
    )
    def take(self, size):
        try:
            at = self.heap.allocate(size)
        except ArenaExhaustedError:
            assert not any(high - low >= size + 2 * MIB for low, high in self.gaps())
            return
        assert at % (2 * MIB if size >= MIB else 512) == 0
        self.taken[at] = size
        self.used[self.part(at, self.rounded(at))] = True

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def give_back(self, data):
        at = data.draw(st.sampled_from(sorted(self.taken)))
        del self.taken[at]
        self.heap.release(at)

    @rule()
    def tell(self):
        """The runner answers; an error tells nothing. What is told to be untouched holds nothing old."""
        self.told, blocks = self.heap.told(), self.heap.live()
        assert self.told[len(self.told) - len(blocks) :] == blocks
        for at, size in self.told[: len(self.told) - len(blocks)]:
            assert not self.used[self.part(at, size)].any()

    @rule()
    def begin_a_call(self):
        """The judge fills all but what it was told last."""
        kept = np.zeros_like(self.used)
        for at, size in self.told:
            kept[self.part(at, size)] = True
        self.used &= kept
        self.heap.renew()

    @staticmethod
    def part(at, size):
        return slice((at - START) // 512, (at + size - START) // 512)

    def gaps(self):
        edges = [START, *(edge for at in sorted(self.taken) for edge in (at, at + self.rounded(at))), END]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def rounded(self, at):
        return -(-max(self.taken[at], 1) // 512) * 512

    @invariant()
    def blocks_lie_inside_and_apart(self):
        assert all(low <= high for low, high in self.gaps())

    @invariant()
    def what_is_live_is_what_was_taken(self):
        bytes_of = {at: self.rounded(at) for at in self.taken}
        assert sum(size for _, size in self.heap.live()) == sum(bytes_of.values()) == self.heap.used_bytes
        ends = [offset + size for offset, size in self.heap.live()]
        starts = [offset for offset, _ in self.heap.live()]
        assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
        assert all(
            any(o <= at and at + n <= o + size for o, size in self.heap.live()) for at, n in bytes_of.items()
        )

    @invariant()
    def the_peak_is_the_most_that_was_taken(self):
        self.peak = max(self.peak, self.heap.used_bytes)
        assert self.heap.peak_bytes == self.peak

    def teardown(self):
        for at in list(self.taken):
            self.heap.release(at)
        assert self.heap.live() == []
        assert self.heap.allocate(END - START) == START


TestHeap = HeapMachine.TestCase
TestHeap.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_was_given_back_and_filled_is_untouched_again():
    heap = Heap(0, 8 * MIB)
    small = heap.allocate(512)
    large = heap.allocate(4 * MIB)
    assert heap.told() == [[6 * MIB, 2 * MIB], [0, 512], [2 * MIB, 4 * MIB]]
    heap.renew()
    heap.release(large)  # as it began: the fill before left it alone
    assert heap.told() == [[6 * MIB, 2 * MIB], [0, 512]]
    heap.renew()
    assert heap.told() == [[512, 8 * MIB - 512], [0, 512]]
    heap.release(small)
    heap.renew()
    assert heap.told() == [[512, 8 * MIB - 512]]
    heap.renew()
    assert heap.told() == [[0, 8 * MIB]]


def test_a_block_is_given_back_once():
    heap = Heap(0, MIB)
    at = heap.allocate(100)
    heap.release(at)
    with pytest.raises(KeyError):
        heap.release(at)


def test_neighbours_are_joined_whatever_the_order():
    heap = Heap(0, 3 * 512)
    first, second, third = (heap.allocate(512) for _ in range(3))
    with pytest.raises(ArenaExhaustedError):
        heap.allocate(1)
    for at in (first, third, second):
        heap.release(at)
    assert heap.allocate(3 * 512) == 0


def test_a_refusal_names_what_is_needed_and_what_is_there():
    heap = Heap(START, END)
    first = heap.allocate(10 * MIB)
    heap.allocate(20 * MIB)
    heap.release(first)
    with pytest.raises(ArenaExhaustedError) as caught:
        heap.allocate(40 * MIB)
    needed, piece = 60 * MIB, 32 * MIB
    assert str(caught.value) == (
        f"out of device memory: {needed} bytes are needed, {40 * MIB} more than the {20 * MIB} in use, "
        f"and there are {62 * MIB}; the largest free piece has {piece}"
    )
