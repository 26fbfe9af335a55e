"""Ask whether the runner's clock agrees with the judge's.

The judge knows two times of a turn: from the moment it shows the first inputs until the runner's GPU says
that all is done, and from there until the judge has read from the outputs, whose places it was told before.
What the first is longer than the runner's events say, and the whole of the second, are the cost of the
exchange, the same for every runner: trusted runners, timed in the same rounds, show it. Work outside of the
events makes the first longer; saying that the work is done before it is makes the second longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eval.judge import stats

if TYPE_CHECKING:
    from eval.judge.contestant import Contestant

_RELATIVE_BOUND = 0.005
_ABSOLUTE_BOUND_MS, _FOLLOWING_BOUND_MS, _FOLLOWING_PART = 0.005, 0.0025, 0.1
"""By turn, and for each further call of it, there at most a tenth of the time: behind a kernel with much
shared memory what shows the next inputs starts up to 2 us later than behind another, since multiprocessors
part their memory anew."""
_LATE_BOUND_MS = 0.02
"""By turn."""
_STANDARD_ERRORS = 5.0
_NOISE_FACTOR = 3.0
"""A candidate's times may be so much noisier than those of the noisiest trusted runner: delays that it draws
by lot must not widen the bound that they are held against."""
_MEDIAN_EFFICIENCY = 1.2533
"""Standard error of a median over that of a mean, for normal noise."""


def excess_ms(contestant: Contestant) -> list[float]:
    """How much longer than the events say it took by the judge's clock, by call, in ms."""
    return [done - event for done, event in zip(contestant.done_ms, contestant.event_ms, strict=True)]


def exchange_ms(trusted: list[Contestant]) -> float:
    """Return what the exchange costs a call when nobody lies, in ms: the median over trusted runners."""
    return stats.median([value for contestant in trusted for value in excess_ms(contestant)])


def seal_ms(trusted: list[Contestant]) -> float:
    """Return how long reading takes where nobody lies, in ms: the median over trusted runners."""
    return stats.median([value for contestant in trusted for value in contestant.sealed_ms])


def judge_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Median time of a call by the judge's clock, the cost of the exchange subtracted, in ms."""
    late = max(0.0, late_ms(candidate, trusted))
    return stats.median(candidate.done_ms) - exchange_ms(trusted) + late


def outside_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Return what the judge's clock found beside the events, by call, in ms; 0 where it found nothing."""
    return max(0.0, residual_ms(candidate, trusted)) + max(0.0, late_ms(candidate, trusted))


def residual_ms(contestant: Contestant, trusted: list[Contestant]) -> float:
    """Work outside of the events, by call, in ms: positive where the events say too little."""
    return stats.median(excess_ms(contestant)) - exchange_ms(trusted)


def late_ms(contestant: Contestant, trusted: list[Contestant]) -> float:
    """Work after it was said to be done, by call, in ms."""
    return (stats.median(contestant.sealed_ms) - seal_ms(trusted)) / contestant.calls


def bound_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Return the largest disagreement by call that is put down to noise, in ms."""
    among = max(abs(residual_ms(contestant, trusted)) for contestant in trusted)
    following = min(_FOLLOWING_BOUND_MS, _FOLLOWING_PART * stats.median(candidate.event_ms))
    turn = _ABSOLUTE_BOUND_MS + (candidate.calls - 1) * following
    noise = noise_ms(candidate, trusted)
    return among + noise + turn / candidate.calls + _relative(candidate)


def noise_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Return what of `bound_ms` more rounds would make smaller, in ms."""
    return _noise(excess_ms(candidate), [excess_ms(contestant) for contestant in trusted])


def late_bound_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Return the longest work after it was said to be done, by call, that is put down to noise, in ms."""
    among = max(abs(late_ms(contestant, trusted)) for contestant in trusted)
    noise = _noise(candidate.sealed_ms, [contestant.sealed_ms for contestant in trusted])
    return among + noise / candidate.calls + _LATE_BOUND_MS / candidate.calls + _relative(candidate)


def _relative(candidate: Contestant) -> float:
    return _RELATIVE_BOUND * stats.median(candidate.event_ms)


def _noise(own: list[float], others: list[list[float]]) -> float:
    return _STANDARD_ERRORS * min(_error(own), _NOISE_FACTOR * max(map(_error, others)))


def _error(samples: list[float]) -> float:
    return _MEDIAN_EFFICIENCY * stats.spread(samples) / math.sqrt(len(samples))


def once_more(disputes: Sequence[bool], *, doubted: bool) -> bool:
    """Tell whether to run another session.

    `disputes` says of each so far whether its clock was disputed, `doubted` whether the last one's times are
    not to be relied on otherwise. The first is repeated for either, a later one where its clock is the first
    to be disputed, so that whoever is refused was disputed twice.
    """
    if len(disputes) == 1:
        return doubted or disputes[0]
    return disputes[-1] and sum(disputes) == 1


def disputed(candidate: Contestant, trusted: list[Contestant]) -> str | None:
    """Return both numbers in a sentence where the clocks disagree, otherwise None.

    Nothing is disputed of a candidate that cannot be queued ahead: it is charged all of `judge_ms`.
    """
    if candidate.waits:
        return None
    residual, bound = residual_ms(candidate, trusted), bound_ms(candidate, trusted)
    late, late_bound = late_ms(candidate, trusted), late_bound_ms(candidate, trusted)
    if residual <= bound and late <= late_bound:
        return None
    return (
        f"the runner's events say {stats.median(candidate.event_ms):.4g} ms, the judge's clock "
        f"{judge_ms(candidate, trusted):.4g} ms: {residual:.4g} ms of a call are outside of the events, "
        f"{bound:.4g} allowed, and {late:.4g} ms come after it said it was done, {late_bound:.4g} allowed"
    )
