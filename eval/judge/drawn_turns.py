"""Which of the candidate's turns are checked in full: one of each stretch, nobody knows which."""

from __future__ import annotations

import secrets


class DrawnTurns:
    """Numbers of turns from 0 on; of each stretch of `length` one is in here, of none where that is 0.

    Each is drawn when its stretch is first asked about, so a session that goes on has more.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._places: dict[int, int] = {}

    def __contains__(self, turn: int) -> bool:
        if not self._length:
            return False
        stretch, place = divmod(turn, self._length)
        if stretch not in self._places:
            self._places[stretch] = secrets.randbelow(self._length)
        return place == self._places[stretch]
