"""Compiling ahead: what a dry runner compiled is found by the next runner of that code."""

import os
import signal
from contextlib import closing

import pytest
from judge_work import HONEST, PROBLEM, candidate, exists, job, processes_of, until
from test_dry_launch import AUTOTUNED, RUN_TUNED

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.dry_launch import H100
from eval.dry_launch.compiling import AheadCompiler, Target
from eval.dry_launch.launcher import properties
from eval.judge.ahead import MOST_ANNOUNCED, Ahead, job_key
from eval.judge.faults import BrokenJudgeError
from eval.judge.lookahead import Lookahead
from eval.judge.processes import Zygote
from eval.judge.proposals import references
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import HostRegion, strides
from eval.judge.runner import Runner
from eval.judge.standby import seed
from eval.plain import encode
from eval.records import Limits
from eval.runner import cache_pack
from eval.tensors import dtype_name

TARGET = Target(capability=90, properties=properties(H100))
LIMITS = Limits(seconds=120, call_seconds=60)
TUNED = candidate(RUN_TUNED, top=AUTOTUNED)
WRONG = HONEST.replace("* factor + 1", "* factor + 2")
LOOKS = candidate("assert float(x[0, 0]) < 1e9\nreturn run(x, self.factor)")


def work(code, **more):
    return job(code, limits=LIMITS, **more)


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False, dry=True)) as parent:
        yield parent


@pytest.fixture(scope="module")
def compiler(zygote):
    return AheadCompiler(zygote, TARGET, 2)


def ignore(*_):
    pass


class Second:
    """The candidate's next runner: another process and scratch folder; it compiles as it launches."""

    def __init__(self, zygote, code, data):
        self.region = HostRegion(cache_pack.MOST_BYTES, 0)
        self.runner = Runner(zygote, self.region, LIMITS, cuda=False, wait=False)
        self.runner.enter()
        self.seeded = seed(self.runner, self.region, data)
        self.runner.ask_plain({"op": "target", **TARGET.model_dump(), "plain": False})
        self.runner.load(code, "ModelNew")

    def keys(self):
        """Count what is in the cache."""
        return self.runner.ask_plain({"op": "cache", "size": 0})["keys"]

    def launch(self, case, place="meta"):
        inputs = [
            {
                "shape": spec.shape, "dtype": dtype_name(spec.dtype),
                "stride": strides(spec.shape, case.case.layout),
            }
            for spec in case.inputs
        ]  # fmt: skip
        message = {"op": "launch", "init": encode(case.init), "dtype": case.case.dtype, "inputs": inputs}
        return self.runner.ask_plain({**message, "place": place})

    def close(self):
        self.runner.kill()
        self.region.close()


def every_case():
    official = CaseReference(PROBLEM, size_case(PROBLEM, None))
    return [official, *references(PROBLEM, PROBLEM.cases)]


@pytest.mark.parametrize(
    ("code", "place", "least"),
    [(HONEST, "meta", 2), (TUNED, "meta", 4), (LOOKS, "cpu", 2)],
    ids=["honest", "tuned", "looks at contents"],
)
def test_no_case_and_no_configuration_compiles_again(zygote, compiler, code, place, least):
    data = compiler.compile(work(code), ignore, ignore)
    with closing(Second(zygote, code, data)) as second:
        assert second.seeded >= least
        for case in every_case():
            answer = second.launch(case, place)
            assert answer["builds"]
            assert not answer["failures"]
        assert second.keys() == second.seeded


def test_variants_are_compiled_too_and_what_was_not_announced_is_compiled_where_it_runs(zygote, compiler):
    bare = PROBLEM.model_copy(update={"variants": (), "hash": "affine without variants"})
    some, every = (
        compiler.compile(work(HONEST, problem=problem), ignore, ignore) for problem in (bare, PROBLEM)
    )
    variants = references(PROBLEM, PROBLEM.variants)
    with closing(Second(zygote, HONEST, some)) as second:
        for case in variants:
            second.launch(case)
        compiled_late = second.keys() - second.seeded
    with closing(Second(zygote, HONEST, every)) as second:
        for case in variants:
            second.launch(case)
        assert second.keys() == second.seeded
    assert compiled_late > 0


def test_bytes_that_are_no_cache_are_passed_over(zygote):
    with closing(Second(zygote, HONEST, b"[[]]\nno cache")) as second:
        assert second.seeded == 0
        assert second.launch(every_case()[0])["builds"]
        assert second.keys() == 1


FRUITLESS = {
    "does not load": "import torch\n1 / 0",
    "dies": candidate("import ctypes\nctypes.string_at(0)"),
}


@pytest.mark.parametrize("code", FRUITLESS.values(), ids=FRUITLESS)
def test_who_fails_here_leaves_nothing(compiler, code):
    assert compiler.compile(work(code), ignore, ignore) == b""


@pytest.fixture(scope="module")
def ahead():
    with closing(Ahead(TARGET, 2)) as handle:
        yield handle


def test_what_was_announced_is_handed_over_once(ahead, tmp_path):
    ahead.announce(work(TUNED))
    ahead.announce(work(TUNED))
    assert ahead.take(work(HONEST)) is None
    assert until(ahead.ready, 120)
    data = ahead.take(work(TUNED), 120)
    assert cache_pack.unpack(data, tmp_path / "cache") >= 4
    assert ahead.take(work(TUNED)) is None


def test_what_was_compiled_stays_with_its_job_until_that_has_its_verdict(ahead):
    with closing(Zygote(cuda=False)) as runners:
        lookahead = Lookahead(runners)
        lookahead._ahead = ahead
        first, second, third = work(TUNED), work(f"{TUNED}\n# the next"), work(HONEST)
        assert until(ahead.ready, 120)
        for one in (first, second):
            ahead.announce(one)
        assert until(lambda: not (ahead.compiles(first) or ahead.compiles(second)), 120)
        lookahead.begin(first)
        data = lookahead.cache()
        assert data
        assert lookahead.cache() is data
        beside = lookahead.compiled(second)
        assert beside
        lookahead.end()
        assert lookahead.cache() is None
        lookahead.begin(second)
        assert lookahead.cache() is beside
        lookahead.begin(third)  # what had begun beside another did not come
        assert lookahead.compiled(second) is None
        lookahead._ahead = None


def test_what_has_begun_is_not_to_come_and_keeps_what_was_compiled():
    first, second, third = work(TUNED), work(HONEST), work(WRONG)
    with closing(Zygote(cuda=False)) as runners:
        lookahead = Lookahead(runners)
        lookahead._announced = [second, third]
        lookahead._compiled = {job_key(second): b"second", job_key(third): b"third"}
        lookahead.begin(first, [second])
        assert lookahead._following == [third]
        assert (lookahead.compiled(second), lookahead.compiled(third)) == (b"second", None)


def test_nothing_is_done_for_code_that_is_refused_and_little_for_what_never_comes(ahead):
    ahead.announce(work("import os\n" + HONEST, rules="strict"))
    assert until(ahead.ready, 120)
    assert ahead.take(work("import os\n" + HONEST, rules="strict"), 120) is None
    endless = [work(f"while True: pass  # {number}") for number in range(MOST_ANNOUNCED + 2)]
    for one in endless:
        ahead.announce(one)
    ahead.announce(work(HONEST))
    assert ahead.take(endless[0]) is None
    for one in endless[3:]:
        assert ahead.take(one, 0.0) is None
    assert ahead.take(work(HONEST), 120)


def test_one_that_does_not_end_holds_up_nobody(ahead):
    endless = work("while True: pass  # beside others")
    for one in (endless, work(TUNED)):
        ahead.announce(one)
    assert until(ahead.ready, 120)
    assert until(lambda: not ahead.compiles(work(TUNED)), 120)
    assert ahead.compiles(endless)
    assert ahead.take(work(TUNED))
    assert ahead.take(endless, 0.0) is None


def test_one_that_dies_is_replaced_and_all_ends_with_the_judge(ahead):
    ahead.announce(work(HONEST))
    assert until(ahead.ready, 120)
    first = ahead._process
    below = processes_of(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    assert ahead.take(work(HONEST), 120) is None
    assert until(lambda: not any(map(exists, below)))
    ahead.announce(work(TUNED))
    assert ahead._process is not first
    last = processes_of(ahead._process.pid)
    ahead.close()
    assert until(lambda: not any(map(exists, last)))
    ahead.announce(work(TUNED))
    assert ahead.take(work(TUNED)) is None


def test_a_runner_that_waits_is_inside_its_walls_before_it_is_asked(zygote):
    with closing(Second(zygote, HONEST, b"")) as second:
        assert second.runner.sandbox or second.runner.sandbox_missing
        second.runner.enter()
        assert second.runner.alive()
        assert second.seeded == second.keys() == 0
    assert not second.runner.alive()


def test_one_that_dies_while_it_waits_is_told_when_it_is_taken(zygote):
    with closing(HostRegion(64, 64)) as region:
        waiting = Runner(zygote, region, LIMITS, cuda=False, wait=False)
        os.kill(waiting.pid, signal.SIGKILL)
        with pytest.raises(BrokenJudgeError, match="did not start"):
            waiting.enter()
        assert not waiting.alive()
    assert zygote.healthy


def test_one_that_is_ended_runs_no_more_and_is_collected_later(zygote):
    with closing(Second(zygote, HONEST, b"")) as second:
        runner = second.runner
        runner.end()
        assert not runner.alive()
        assert until(lambda: not exists(runner.pid))
        runner.collect()
        runner.collect()
        runner.kill()
    assert zygote.healthy
