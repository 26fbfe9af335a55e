"""On a GPU: what was compiled ahead is found there, and the runner that waited serves as a fresh one does."""

from contextlib import closing

import pytest
from judge_work import HONEST, PROBLEM, exists, job, until
from test_ahead import LIMITS, TUNED, WRONG, ignore

pytestmark = pytest.mark.gpu


def work(code):
    return job(code, limits=LIMITS, timing=False).model_copy(update={"device": "cuda"})


@pytest.mark.parametrize("code", [HONEST, TUNED], ids=["honest", "tuned"])
def test_no_call_of_the_trial_compiles(code):
    from eval.dry_launch.compiling import AheadCompiler
    from eval.judge.calls import Caller
    from eval.judge.correctness import Correctness
    from eval.judge.lookahead import this_gpu
    from eval.judge.processes import Zygote
    from eval.judge.proposals import references
    from eval.judge.regions import DeviceRegion
    from eval.judge.runner import Runner
    from eval.judge.standby import seed

    with (
        closing(Zygote(cuda=False, dry=True)) as dry,
        closing(Zygote(cuda=True)) as zygote,
        closing(DeviceRegion(64 << 20, 512 << 20)) as region,
    ):
        data = AheadCompiler(dry, this_gpu(), 2).compile(work(code), ignore, ignore)
        runner = Runner(zygote, region, LIMITS, cuda=True, wait=False)
        runner.enter()
        seeded = seed(runner, region, data)
        runner.load(code, "ModelNew")
        correctness = Correctness(Caller(PROBLEM, region), runner, guard=True)
        correctness.decide(references(PROBLEM, PROBLEM.cases))
        correctness.variants(references(PROBLEM, PROBLEM.variants))
        assert runner.ask_plain({"op": "cache", "size": 0})["keys"] == seeded > 0
        runner.kill()


def test_the_runner_that_waited_judges_the_next_candidate_as_a_fresh_one_would():
    from eval.judge.bench import Bench

    jobs = [work(code) for code in (HONEST, WRONG, TUNED, HONEST)]
    with closing(Bench(cuda=True)) as fresh:
        alone = [fresh.judge(one) for one in jobs]
        assert not fresh._baselines.spares
    with closing(Bench(cuda=True)) as bench:
        told = []
        for place, one in enumerate(jobs):
            for other in jobs[place + 1 : place + 3]:
                bench.announce(other.model_dump_json())
            before = [waiting.runner for waiting in bench._lookahead._standby._waiting[:1]]
            told.append(bench.judge(one))
            assert all(until(lambda gone=gone: not exists(gone.pid)) for gone in before)
            assert bench._lookahead._standby.count == (place < len(jobs) - 1)
            assert len(bench._baselines.spares) == 2
            assert bench._lookahead._standby._second is None
    assert [one.status for one in told] == [one.status for one in alone]
    assert [one.guarantees for one in told] == [one.guarantees for one in alone]


def test_two_wait_once_a_candidate_was_timed():
    from eval.judge.bench import Bench
    from eval.records import Job
    from harness.problems import load_problem

    seed = load_problem("cumsum_exclusive")
    code = seed.solution.read_text()
    jobs = [
        Job(problem=seed.problem, code=f"{code}\n# {number}\n", size="4096", device="cuda")
        for number in range(4)
    ]
    waiting, regions = [], []
    with closing(Bench(cuda=True)) as bench:
        for place, one in enumerate(jobs):
            for other in jobs[place + 1 : place + 3]:
                bench.announce(other.model_dump_json())
            verdict = bench.judge(one)
            assert verdict.status == "passed", verdict.detail
            waiting.append(bench._lookahead._standby.count)
            regions += [id(one.region) for one in bench._lookahead._standby._waiting[-1:]]
        assert waiting == [2, 2, 1, 0]
        assert len(set(regions)) > 1
