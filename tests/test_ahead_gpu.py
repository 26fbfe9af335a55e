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
        assert fresh._baselines.spare is None
    with closing(Bench(cuda=True)) as bench:
        told = []
        for place, one in enumerate(jobs):
            for other in jobs[place + 1 : place + 3]:
                bench.announce(other.model_dump_json())
            before = bench._lookahead._standby._waiting
            told.append(bench.judge(one))
            assert before is None or until(lambda gone=before: not exists(gone.pid))
            assert (bench._lookahead._standby._waiting is not None) == (place < len(jobs) - 1)
            assert bench._baselines.spare is not None
            assert bench._lookahead._standby._second is None
    assert [one.status for one in told] == [one.status for one in alone]
    assert [one.guarantees for one in told] == [one.guarantees for one in alone]
