"""Ask whether the runner's clock agrees with the judge's.

For each call the judge knows the time from the doorbell to the moment it held the output. What that
is longer than the runner's events say is the cost of the exchange, the same for every runner:
trusted runners, timed in the same rounds, show it. A runner whose calls cost more has done work
outside of its events.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eval.judge import stats

if TYPE_CHECKING:
    from eval.judge.timing import Contestant

_RELATIVE_BOUND = 0.005
_ABSOLUTE_BOUND_MS = 0.010
_STANDARD_ERRORS = 5.0
_MEDIAN_EFFICIENCY = 1.2533
"""Standard error of a median over that of a mean, for normal noise."""


def excess_ms(contestant: Contestant) -> list[float]:
    """How much longer the judge waited than the events say, by call, in ms."""
    return [s - e for s, e in zip(contestant.sealed_ms, contestant.event_ms, strict=True)]


def exchange_ms(trusted: list[Contestant]) -> float:
    """Return what the exchange costs when nobody lies, in ms: the median over all trusted runners."""
    return stats.median([value for contestant in trusted for value in excess_ms(contestant)])


def judge_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Median time of a call by the judge's clock, the cost of the exchange subtracted, in ms."""
    return stats.median(candidate.sealed_ms) - exchange_ms(trusted)


def residual_ms(contestant: Contestant, trusted: list[Contestant]) -> float:
    """Disagreement of the two clocks for one runner, in ms; positive where its events say too little."""
    return stats.median(excess_ms(contestant)) - exchange_ms(trusted)


def bound_ms(candidate: Contestant, trusted: list[Contestant]) -> float:
    """Return the largest disagreement that is put down to noise, in ms."""
    among = max(abs(residual_ms(contestant, trusted)) for contestant in trusted)
    return (
        among
        + _ABSOLUTE_BOUND_MS / candidate.calls
        + _STANDARD_ERRORS * _error(candidate)
        + _RELATIVE_BOUND * stats.median(candidate.event_ms)
    )


def _error(contestant: Contestant) -> float:
    return _MEDIAN_EFFICIENCY * stats.spread(excess_ms(contestant)) / math.sqrt(len(contestant.event_ms))


def disputed(candidate: Contestant, trusted: list[Contestant]) -> str | None:
    """Return both numbers in a sentence where the clocks disagree, otherwise None."""
    residual, bound = residual_ms(candidate, trusted), bound_ms(candidate, trusted)
    if residual <= bound:
        return None
    return (
        f"the runner's events say {stats.median(candidate.event_ms):.4g} ms, the judge's clock "
        f"{judge_ms(candidate, trusted):.4g} ms: {residual:.4g} ms apart, {bound:.4g} ms allowed"
    )
