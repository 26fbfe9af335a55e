"""Where regions that take turns lie: each is made of many pieces, dealt among them at random.

Memory of a card is not equally fast everywhere: of four regions in one block each, one was up to 3.6 % slower
than another for as long as it lived (docs/timing.md).
"""

from __future__ import annotations

from contextlib import ExitStack
from secrets import SystemRandom

from eval.cuda.driver import Piece, SharedMemory, create, granularity, release

MOST_PIECES = 64
"""Of one region. All their descriptors go to a runner in one message, which holds 253 at most."""
_LEAST_PIECE_BYTES = 16 << 20


def piece_sizes(size_bytes: int, step: int) -> list[int]:
    """Divide `size_bytes` into at most `MOST_PIECES` equal parts, the last of them perhaps smaller.

    All are bytes, and multiples of `step` as `size_bytes` is.
    """
    most = max(_LEAST_PIECE_BYTES, -(-size_bytes // MOST_PIECES))
    piece = -(-most // step) * step
    whole, rest = divmod(size_bytes, piece)
    return [piece] * whole + [rest] * (rest > 0)


def hands(pieces: list[Piece], count: int) -> list[list[Piece]]:
    """Deal pieces to `count` regions: of each `count` that were made in turn, one goes to each at random.

    So every region has a part of every stretch of memory, and nobody chooses which.
    """
    dealt: list[list[Piece]] = [[] for _ in range(count)]
    for start in range(0, len(pieces), count):
        turn = pieces[start : start + count]
        SystemRandom().shuffle(turn)
        for hand, piece in zip(dealt, turn, strict=True):
            hand.append(piece)
    return dealt


def deal(device: int, size_bytes: int, count: int) -> list[SharedMemory]:
    """Make `count` memories of `size_bytes` each, a multiple of `granularity`, from pieces that are mixed.

    Raises:
        CudaDriverError: the card has not that much memory; nothing is kept of it.

    """
    sizes = piece_sizes(size_bytes, granularity(device))
    pieces: list[Piece] = []
    made: list[SharedMemory] = []
    with ExitStack() as undo:
        for size in sizes:
            for _ in range(count):
                pieces.append(create(device, size))
                undo.callback(release, pieces[-1])
        for hand in hands(pieces, count):
            made.append(SharedMemory(device, hand))
            undo.callback(made[-1].unmap)
        undo.pop_all()
    return made
