"""KernelGYM's own requests on `serve-judge`: what its clients send, poll and read."""

import json
import threading
import urllib.error
import urllib.request

import pytest
from judge_work import HONEST, REFERENCE, candidate, problem_folder
from served_judge import LIBRARY, TOKEN, serving

from eval.records import KernelTime, Passed, Quantity, Ratio, Speedup, Timing, Tracks

pytest.importorskip("triton", reason="needs the extra `eval`")
pytest.importorskip("starlette", reason="needs the extra `serve`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

from harness.judge_server.kernelgym import Task, _measured

KEYS = {"status", "compiled", "correctness", "decoy_kernel", "speedup", "reference_runtime", "kernel_runtime"}
RESULTS = {
    "honest": (HONEST, (True, True, False)),
    "wrong": (candidate("return run(x, 7.0)"), (True, False, False)),
    "broken": ("def f(:\n", (False, False, False)),
    "decoy": (LIBRARY, (True, False, True)),
}
"""Code, and what is said of compiled, correctness and decoy_kernel."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernelgym")
    problem_folder(folder / "affine")
    with serving(folder) as url:

        def asked(path, body=None):
            data = json.dumps(body).encode() if body is not None else None
            given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(url + path, data, given), timeout=120
                ) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        yield asked


def task(name, code=HONEST, **more):
    """Return the body that its reward client posts."""
    return {
        "task_id": name, "reference_code": REFERENCE, "kernel_code": code, "backend": "triton",
        "num_correct_trials": 5, "num_perf_trials": 100, "timeout": 60, "priority": "normal",
        "entry_point": "Model", "is_valid": False, "verbose_errors": True, "enable_profiling": True,
        "detect_decoy_kernel": True, "reference_backend": None, **more,
    }  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_submit_poll_and_fetch(ask, name):
    code, expected = RESULTS[name]
    status, result = ask("evaluate", task(name, code))
    assert status == 200
    assert set(result) >= KEYS
    found = (result["compiled"], result["correctness"], result["decoy_kernel"])
    assert (result["status"], found) == ("completed", expected)
    assert result["speedup"] == 0.0
    assert (result["error_message"] is None) == (name == "honest")
    assert result["metadata"]["kernel_harness"]["device"] in {"cpu", None}
    told = {key: result[key] for key in ("task_id", "status", "error_message")}
    assert ask(f"status/{name}") == (200, told)
    assert ask(f"results/{name}") == (200, result)


def judged(ask):
    return sum(slot["judged"] for slot in ask("health")[1]["slots"])


def test_the_same_id_again_is_the_same_task(ask):
    before, answers = judged(ask), []
    threads = [
        threading.Thread(target=lambda: answers.append(ask("evaluate", task("again")))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 4
    assert {answer["correctness"] for _, answer in answers} == {True}
    ask("evaluate", task("again"))
    assert judged(ask) - before == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (
            "evaluate",
            task("x", reference_code="class Model: pass"),
            404,
            "no problem here has this reference",
        ),
        ("evaluate", task("y", entry_point="Net"), 422, "ModelNew"),
        ("evaluate", {"task_id": "z"}, 422, "reference_code"),
        ("evaluate", task("big", "#" * 10_000_000), 413, "bytes"),
        ("status/none", None, 404, "no such task"),
        ("results/none", None, 404, "no such task"),
    ],
)
def test_what_it_cannot_do_is_said(ask, path, body, status, words):
    found, answer = ask(path, body)
    assert (found, words in answer["error"]) == (status, True)


@pytest.mark.parametrize(("backend", "speedup", "reference"), [(None, 2.0, 4.0), ("compile", 0.0, None)])
def test_times_and_coverage_of_a_gpu(backend, speedup, reference):
    def took(ms):
        return Quantity(median=ms, low=ms, high=ms, samples=40)

    kernels = (
        KernelTime(name="affine", ms=1.5, share=0.75, own=True),
        KernelTime(name="CatArrayBatchedCopy", ms=0.5, share=0.25, own=False),
    )
    ratio = Ratio(median=2.0, low=1.9, high=2.1)
    timing = Timing(candidate_ms=took(2.0), eager_ms=took(4.0), speedup=Speedup(eager=ratio), kernels=kernels)
    verdict = Passed(tracks=Tracks(open=True), timing=timing)
    asked = Task(reference_code="", kernel_code="", reference_backend=backend)
    found = _measured(asked, verdict)
    assert (found["kernel_runtime"], found["reference_runtime"], found["speedup"]) == (
        2.0,
        reference,
        speedup,
    )
    metadata = found["metadata"]
    assert (metadata["num_custom_kernels"], metadata["num_total_kernels"]) == (1, 2)
    assert metadata["custom_kernel_cuda_time_in_profiling_us"] == 1500
    assert metadata["total_kernel_run_time_in_profiling_us"] == 2000
