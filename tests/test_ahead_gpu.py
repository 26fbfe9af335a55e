"""On a GPU: what was compiled ahead is found there, and the runner that waited serves as a fresh one does."""

from contextlib import closing

import pytest
from judge_work import HONEST, PROBLEM, candidate, exists, job, until
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


def judged(bench, jobs, place, *more):
    """Judge one of the jobs as a client has it judged: those that come next are announced before it.

    What comes next begins only where it is compiled, so that is waited for.
    """
    following = [*more, *jobs[place + 1 : place + 3]]
    for other in following:
        bench.announce(other.model_dump_json())
    assert until(lambda: not any(map(bench._lookahead._ahead.compiles, following)))
    return bench.judge(jobs[place])


def runner_begun(bench):
    """Return the runner of what has begun, which may still be opening CUDA."""
    if not bench._begun:
        return None
    trial = bench._begun[0]._trial
    assert until(lambda: trial._place is not None)
    return trial._place.runner


def test_what_began_beside_the_candidate_before_is_judged_as_what_comes_fresh():
    from eval.judge.baselines import _MOST_SPARES
    from eval.judge.bench import Bench

    jobs = [work(code) for code in (HONEST, WRONG, TUNED, HONEST)]
    with closing(Bench(cuda=True)) as fresh:
        alone = [fresh.judge(one) for one in jobs]
    with closing(Bench(cuda=True)) as bench:
        told = []
        for place in range(len(jobs)):
            began = runner_begun(bench)
            assert (began is None) == (place == 0)  # the third begins beside the second, which is wrong
            told.append(judged(bench, jobs, place))
            assert began is None or until(lambda gone=began: not exists(gone.pid))
            assert len(bench._baselines.spares) == _MOST_SPARES
    assert [one.status for one in told] == [one.status for one in alone]
    assert [one.guarantees for one in told] == [one.guarantees for one in alone]


def test_the_next_begins_once_a_candidate_was_timed():
    from eval.judge.bench import Bench
    from eval.records import Job
    from harness.problems import load_problem

    seed = load_problem("cumsum_exclusive")
    code = seed.solution.read_text()
    jobs = [
        Job(problem=seed.problem, code=f"{code}\n# {number}\n", size="4096", device="cuda")
        for number in range(4)
    ]
    began = []
    with closing(Bench(cuda=True)) as bench:
        for place in range(len(jobs)):
            verdict = judged(bench, jobs, place)
            assert verdict.status == "passed", verdict.detail
            assert verdict.timing.stable
            assert any(kernel.own for kernel in verdict.timing.kernels)  # profiled while the next one loads
            began.append(bool(bench._begun))
    assert began == [True, True, True, False]


HANGS = candidate(
    "while os.environ.get('CUDA_VISIBLE_DEVICES') != '': pass\nreturn run(x, self.factor)", top="import os"
)
"""On a GPU alone: it is compiled ahead as any other."""


def test_what_began_and_does_not_come_is_ended_and_may_come_later():
    from eval.judge.bench import Bench

    jobs = [work(code) for code in (HONEST, TUNED, HONEST)]
    with closing(Bench(cuda=True)) as bench:
        for other in (TUNED, HANGS):
            assert judged(bench, jobs, 0, work(other)).status == "passed"
            began = runner_begun(bench)
            assert began.alive()
            assert bench.judge(jobs[2]).status == "passed"
            assert until(lambda gone=began: not exists(gone.pid))
        assert bench.judge(jobs[1]).status == "passed"
        judged(bench, jobs, 0, work(HANGS))
        began = runner_begun(bench)
    assert until(lambda: not exists(began.pid))
