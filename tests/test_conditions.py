"""What the driver says around a session, and what that makes of its times."""

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.conditions import busy, disturbances, remarks
from eval.judge.gpu import clocks as clocks_now
from eval.judge.gpu import clocks_before, conditions_since
from eval.judge.nvml import Nvml
from eval.judge.result import corrected, unsettled

NS, US = 10**9, 10**6
STEADY = [3.0, 3.01, 2.99, 3.0] * 10


def clocks(second=0, *, reasons=0x1, **more):
    held = {name: int(seconds * NS) for name, seconds in (more.pop("held", None) or {}).items()}
    return {"throttle_reasons": reasons, "held_ns": held, "at_us": int(second * US), **more}


NOTHING_HELD = {"power": 5, "thermal": 2, "sync boost": 0, "board limit": 1}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        (clocks(), clocks(5, busy=False), []),
        (clocks(reasons=0x2), clocks(5, reasons=0x100 | 0x1), []),
        (clocks(reasons=0x4), clocks(5, reasons=0x4), []),
        (clocks(), clocks(5, reasons=0x20), ["the GPU throttled: thermal slowdown"]),
        (clocks(reasons=0x40), clocks(5), ["the GPU throttled: thermal slowdown by hardware"]),
        (clocks(), clocks(5, reasons=0x88), ["the GPU throttled: power brake"]),
        (clocks(), clocks(5, reasons=0x10), ["the GPU throttled: sync boost"]),
        (clocks(reasons=0x8), clocks(5), []),
        (clocks(reasons=0x8), clocks(5, reasons=0x8), ["the GPU throttled: hardware slowdown"]),
        (clocks(), clocks(5, busy=True), ["another process used the GPU"]),
        (clocks(reasons=None), clocks(5, reasons=None), []),
        (clocks(held=NOTHING_HELD), clocks(5, held=NOTHING_HELD), []),
        (
            clocks(held=NOTHING_HELD), clocks(5, held=NOTHING_HELD | {"thermal": 3}),
            ["the GPU throttled: thermal for 20 % of the time"],
        ),
        (clocks(held=NOTHING_HELD), clocks(5, held=NOTHING_HELD | {"thermal": 2.02}), []),
        (clocks(held=NOTHING_HELD), clocks(5, held=NOTHING_HELD | {"power": 10}), []),
        (clocks(held=NOTHING_HELD), clocks(5), []),
    ],
)  # fmt: skip
def test_what_makes_times_doubtful(before, after, found):
    assert disturbances(before, after) == found


def test_what_was_said_after_one_session_stands_before_the_next_while_it_is_new_and_calm():
    now_s = time.time()
    calm = clocks(now_s - 1, sm_mhz=1980)
    before = clocks_before(calm | {"busy": True})
    assert before.pop("began_us") >= now_s * US
    assert before == calm
    for last in (clocks(now_s - 9), clocks(now_s + 60), clocks(now_s - 1, reasons=0x20)):
        assert "began_us" not in clocks_before(last)
    assert clocks_before({}).keys() == clocks_now().keys()


def test_clocks_are_held_for_a_part_of_the_session_whenever_the_driver_was_asked_before():
    before = clocks(held=NOTHING_HELD) | {"began_us": 4 * US}
    after = clocks(5, held=NOTHING_HELD | {"thermal": 2.02})
    assert disturbances(before, after) == ["the GPU throttled: thermal for 2 % of the time"]


def test_a_slowdown_at_the_end_counts_where_nobody_asked_just_before():
    before = clocks() | {"began_us": 4 * US}
    assert disturbances(before, clocks(5, reasons=0x8)) == ["the GPU throttled: hardware slowdown"]
    assert disturbances(before, clocks(5)) == []


UNKNOWN = "whether another process used the GPU is not known"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, ["NVML is not there: clocks, throttling and other processes were not read"]),
        (clocks(), clocks(5, busy=False), []),
        (clocks(), clocks(5, busy=None), [UNKNOWN]),
        (clocks(), clocks(5), [UNKNOWN]),
        (clocks(), clocks(5, reasons=0x4, busy=False), ["the power limit held the clocks down"]),
        (
            clocks(held=NOTHING_HELD), clocks(5, held=NOTHING_HELD | {"power": 7.5}, busy=False),
            ["the power limit held the clocks down (power 50 % of the time)"],
        ),
    ],
)  # fmt: skip
def test_what_a_reader_is_told_beside_that(before, after, found):
    assert remarks(before, after) == found


@pytest.mark.parametrize(
    ("running", "worked", "found"),
    [
        (None, set(), None),
        (set(), set(), None),
        ({7, 8}, {7}, None),
        ({10, 11}, None, False),
        ({10, 11}, {10, 11}, False),
        ({10, 11, 99}, {10, 11}, False),
        ({10, 11, 99}, {10, 99}, True),
        ({10, 11, 99}, None, None),
        ({10}, {98}, False),
    ],
)
def test_who_else_used_the_gpu(running, worked, found):
    assert busy(running, lambda: worked, own=10, family={10, 11, 12}) is found
    assert busy(running, lambda: worked, own=10, family=None) is None


def test_times_that_drift_are_doubtful():
    rising = [value * (1 + 0.1 * at / 40) for at, value in enumerate(STEADY)]
    samples = {"candidate": rising, "eager": STEADY}
    assert unsettled(samples, ({}, {})) == ["candidate drifted by more than 3 %"]
    assert unsettled({"candidate": STEADY}, (clocks(), clocks(5, busy=True))) == [
        "another process used the GPU"
    ]
    assert unsettled({"candidate": STEADY, "eager": STEADY}, ({}, {})) == []


@pytest.mark.parametrize("ms", [0.005, 0.05, 5.0])
def test_the_cost_of_an_event_pair_is_taken_off(ms):
    session = SimpleNamespace(nulls=SimpleNamespace(event_ms=0.002))
    assert corrected(session, [ms, ms, 2 * ms]) == pytest.approx([ms - 0.002, ms - 0.002, 2 * ms - 0.002])
    assert min(corrected(session, [0.001])) > 0


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


def library(fails=None, samples=()):
    """What `pynvml` offers, of a driver that knows little."""

    def temperature(handle, sensor):
        assert (handle, sensor) == ("device", 0)
        return 45

    def utilization(handle, since):
        if fails is not None:
            raise NVMLError(fails)
        return samples

    def refuse(*_):
        raise NVMLError(3)

    return SimpleNamespace(
        NVMLError=NVMLError, nvmlDeviceGetTemperature=temperature, nvmlDeviceGetClockInfo=refuse,
        nvmlSystemGetDriverVersion=refuse, nvmlDeviceGetProcessUtilization=utilization,
        nvmlDeviceGetComputeRunningProcesses=lambda _: [SimpleNamespace(pid=10), SimpleNamespace(pid=99)],
    )  # fmt: skip


def test_a_driver_that_will_not_say_is_no_failure():
    nvml = Nvml(library(), "device")
    assert nvml.ask("nvmlDeviceGetTemperature", 0) == 45
    assert nvml.ask("nvmlDeviceGetClockInfo", 1) is None
    assert nvml.ask("nvmlDeviceGetWhatIsNotThere") is None
    assert nvml.driver() is None
    assert nvml.running() == {10, 99}


@pytest.mark.parametrize(
    ("asked_before", "said", "counts"),
    [
        (False, [0x28, 0x0], 0x28),
        (True, [0x28, 0x8], 0x28),
        (True, [0x28, 0x1], 0x20),
        (True, [0x28, None], 0x20),
        (True, [0x20], 0x20),
    ],
)
def test_a_slowdown_that_nobody_asked_for_before_has_to_be_seen_twice(
    asked_before, said, counts, monkeypatch
):
    driver, left = library(), iter(said)
    driver.nvmlDeviceGetCurrentClocksEventReasons = lambda _: next(left)
    driver.nvmlDeviceGetCurrentClocksThrottleReasons = lambda _: None
    monkeypatch.setattr("eval.judge.gpu.device_nvml", lambda: Nvml(driver, "device"))
    before = clocks() | ({"began_us": US} if asked_before else {})
    assert conditions_since(before)["throttle_reasons"] == counts


@pytest.mark.parametrize(("fails", "worked"), [(0, set()), (6, set()), (3, None), (4, None)])
def test_no_samples_are_not_the_same_as_no_answer(fails, worked):
    assert Nvml(library(fails), "device").worked(5) == worked


def test_only_samples_since_then_of_work_count():
    samples = [
        SimpleNamespace(pid=pid, timeStamp=at, smUtil=busy, memUtil=moved)
        for pid, at, busy, moved in ((1, 4, 90, 0), (2, 6, 0, 0), (3, 6, 5, 0), (4, 6, 0, 5), (0, 0, 50, 0))
    ]
    assert Nvml(library(samples=samples), "device").worked(5) == {3, 4}


def test_nvidias_numbers_are_those_of_its_library():
    pynvml = pytest.importorskip("pynvml")
    from eval.judge import conditions, gpu, nvml

    known = {name.upper().replace(" ", "_"): number for name, number in conditions.POLICIES.items()}
    assert known == {name: getattr(pynvml, f"NVML_PERF_POLICY_{name}") for name in known}
    assert (gpu._SM_CLOCK, gpu._MEMORY_CLOCK) == (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM)
    assert gpu._GPU_SENSOR == pynvml.NVML_TEMPERATURE_GPU
    assert {pynvml.NVML_SUCCESS, pynvml.NVML_ERROR_NOT_FOUND} == nvml._NO_SAMPLES
    assert pynvml.nvmlClocksEventReasonSwPowerCap == conditions.POWER_CAP
    assert pynvml.nvmlClocksEventReasonHwSlowdown == conditions.HARDWARE
    names = ("SyncBoost", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
    assert [getattr(pynvml, f"nvmlClocksEventReason{name}") for name in names] == list(conditions._REASONS)
    for function in (
        "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetViolationStatus", "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetTemperature", "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetProcessUtilization", "nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetHandleByUUID",
    ):  # fmt: skip
        assert callable(getattr(pynvml, function))
