"""What a long judging says of itself."""

import pytest

from harness.cli.judging import pace
from harness.executors import SlotState


def slot(number, stage="judging", busy_s=0.0):
    return SlotState(name=f"GPU {number}", stage=stage, busy_s=busy_s)


@pytest.mark.parametrize(
    ("judged", "left", "seconds", "states", "said"),
    [
        (0, 9, 0.0, [slot(0, "idle")], "GPU 0 idle"),
        (0, 9, 5.0, [slot(0, busy_s=4.0)], "slots 80% busy, GPU 0 judging"),
        (
            30, 60, 60.0, [slot(0, busy_s=60.0), slot(1, "checking", 30.0)],
            "30 a minute, about 2 min left, slots 75% busy, GPU 0 judging; GPU 1 checking",
        ),
        (9, 1, 9.0, [slot(0, "stopped", 4.5)], "60 a minute, about 1 s left, slots 50% busy, GPU 0 stopped"),
        (1, 7200, 1.0, [slot(0, "idle", 1.5)], "60 a minute, about 2.0 h left, slots 100% busy, GPU 0 idle"),
        (4, 0, 120.0, [], "2 a minute"),
        (30, 0, 1.0, [], "1,800 a minute"),
        (0, 3, 9.0, [slot(n, "judging" if n else "idle", 9.0) for n in range(9)],
         "slots 100% busy, 1 idle, 8 judging"),
    ],
)  # fmt: skip
def test_the_pace_in_words(judged, left, seconds, states, said):
    assert pace(judged, left, seconds, states) == said
