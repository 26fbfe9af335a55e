"""Judging that is killed again and again, by a full disk too, loses no verdict and gives none twice."""

import random

import pytest
from chaos_work import Batch, judge_under_fire

pytest.importorskip("triton", reason="needs the extra `eval`")

VICTIMS = ("runner", "driver", "judge", "parent", "Ctrl-C")


def test_twenty_candidates_under_fire(tmp_path):
    batch = Batch(tmp_path, 20, "--device", "cpu", pad=20_000)
    batch.finish(batch.start(most_file_bytes=600_000), 4)
    assert "the disk is full" in (tmp_path / "said.txt").read_text()
    judge_under_fire(batch, random.Random(20), ("runner", "driver", "judge"))
    batch.check()


@pytest.mark.slow
def test_three_hundred_candidates_under_fire(tmp_path):
    chance = random.Random(300)
    batch = Batch(tmp_path, 300, "--device", "cpu", "--jobs", "2")
    left = judge_under_fire(batch, chance, [chance.choice(VICTIMS) for _ in range(20)])
    assert len(left) < 20 - len(VICTIMS)
    batch.check()
