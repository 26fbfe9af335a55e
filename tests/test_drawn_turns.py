"""Turns that are checked in full: one of each stretch, none left out, and not always the same."""

from collections import Counter

import pytest

from eval.judge.drawn_turns import DrawnTurns


@pytest.mark.parametrize("length", [1, 2, 7, 20])
def test_one_of_each_stretch(length):
    drawn = DrawnTurns(length)
    found = [turn for turn in range(5 * length) if turn in drawn]
    assert [turn // length for turn in found] == [0, 1, 2, 3, 4]
    assert [turn for turn in range(5 * length) if turn in drawn] == found


def test_none_while_warming_up():
    drawn = DrawnTurns(0)
    assert not [turn for turn in range(50) if turn in drawn]


def test_any_turn_may_be_drawn():
    sessions = [DrawnTurns(10) for _ in range(2000)]
    places = Counter(turn for drawn in sessions for turn in range(10) if turn in drawn)
    assert set(places) == set(range(10))
    assert max(places.values()) < 400
