"""When times of baselines may stand in for new ones."""

import pytest

pytest.importorskip("numpy", reason="needs the extra `eval`")

from eval.judge.session_times import DRIFT_LIMIT, SessionTimes
from harness.store import JudgeKey

SAMPLES = {"candidate": (1.0,), "eager": (9.0, 9.2, 9.1), "compile": (5.0, 5.2, 5.1), "current": (7.7, 7.6)}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_shortest_baseline_stands_watch():
    times = SessionTimes()
    assert times.canary() is None
    times.keep(SAMPLES, {"eager": 0.002, "candidate": 0.1})
    assert times.canary() == "compile"
    assert times.others("compile") == {"eager": ([9.0, 9.2, 9.1], 0.002), "current": ([7.7, 7.6], 0.0)}


@pytest.mark.parametrize(
    ("now", "fine"), [(5.1, True), (5.14, True), (5.06, True), (5.16, False), (5.0, False)]
)
def test_drift_either_way_is_noticed(now, fine):
    times = SessionTimes()
    times.keep(SAMPLES, {})
    drift = times.drift("compile", [now, now - 0.5, now + 0.5])
    assert drift == pytest.approx(now / 5.1 - 1)
    assert (abs(drift) <= DRIFT_LIMIT) == fine


def test_times_of_another_hour_do_not_count():
    clock = Clock()
    times = SessionTimes(clock)
    times.keep(SAMPLES, {})
    clock.now = 3599.0
    assert times.canary() == "compile"
    clock.now = 3601.0
    assert times.canary() is None
    times.keep(SAMPLES, {})
    assert times.canary() == "compile"


def test_a_verdict_with_other_baselines_is_another_verdict():
    key = JudgeKey(candidate_hash="c", problem="p", problem_hash="h", evaluator="1")
    assert key.hash == ("619001306b976d53e98ce28a49967c52579d8243e98e96dd7e67fadfcf189d07")
    assert key.model_copy(update={"baselines": "session"}).hash != key.hash
