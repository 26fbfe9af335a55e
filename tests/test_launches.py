"""Launches that the interpreter saw: told in words, and compiled as they were, whatever is launched later."""

from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")
triton = pytest.importorskip("triton", reason="needs the extra `eval`")

import triton.language as tl  # noqa: E402
from judge_work import LIMITS, PROBLEM, candidate  # noqa: E402

from eval.dry_launch.launcher import DryLauncher, compiler_is_here  # noqa: E402
from eval.dry_launch.records import H100  # noqa: E402
from eval.judge.answers import Seen  # noqa: E402
from eval.judge.processes import Zygote  # noqa: E402
from eval.judge.proposals import references  # noqa: E402
from eval.runner.launches import Launches, constants_of  # noqa: E402


@triton.jit
def kernel(x, n, TILE: tl.constexpr, JOIN: tl.constexpr = None):  # noqa: N803 - as kernels name them
    pass


def noted(*args, **kwargs):
    launches = Launches()
    launches.note(kernel, args, kwargs)
    return launches.plain()


def arguments(*args, **kwargs):
    (launch,) = noted(*args, **kwargs)
    return {one["name"]: (one["kind"], one["what"]) for one in launch["arguments"]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(3, dtype=torch.bfloat16), ("tensor", "bfloat16")),
        (torch.nn.Parameter(torch.zeros(3)), ("tensor", "float32")),
        (7, ("value", 16)),
        (1 << 40, ("value", 1 << 35)),
        (0.25, ("value", 0.5)),
        (False, ("value", True)),
        (None, ("value", None)),
        (tl.float16, ("type", "fp16")),
    ],
    ids=lambda value: str(value).split("\n")[0],
)
def test_an_argument_is_told_as_a_compiler_tells_it_apart(value, words):
    assert arguments(value, 3, TILE=64)["x"] == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (64, ("value", 64)),
        (tl.constexpr(0.5), ("value", 0.5)),
        ("max", ("value", "max")),
        (True, ("value", True)),
    ],
    ids=lambda value: str(value).split("\n")[0],
)
def test_a_constant_is_told_as_it_is(value, words):
    assert arguments(torch.zeros(3), 3, TILE=value)["TILE"] == words


def test_a_function_is_told_by_its_name():
    assert arguments(torch.zeros(3), 3, 64, kernel)["JOIN"] == ("function", "kernel")
    assert arguments(torch.zeros(3), 3, 64)["JOIN"] == ("value", None)


@pytest.mark.parametrize("value", [{}, float("nan"), float("inf"), [1, 2]], ids=str)
def test_what_there_are_no_words_for_is_not_noted(value):
    assert noted(torch.zeros(3), 3, TILE=value) == []


def test_only_plain_options_are_told():
    (launch,) = noted(torch.zeros(3), 3, TILE=64, num_warps=8, num_stages=True, grid=(1,))
    assert (launch["kernel"], launch["options"]) == ("kernel", {"num_warps": 8})


def test_a_launch_is_noted_once_and_few_are():
    launches = Launches()
    for size in [*range(100), *range(100)]:
        launches.note(kernel, (torch.zeros(3), size), {"TILE": 64 if size < 50 else size})
    told = launches.plain()
    assert len(told) == len({str(launch) for launch in told}) == 16
    assert Seen(launches=told, constants={}).launches[0].kernel == "kernel"


def test_constants_of_a_module_are_told_up_to_a_few():
    module = ModuleType("candidate")
    module.SIZE, module.MODE = tl.constexpr(64), tl.constexpr("max")
    module.PLAIN, module.LONG, module.NAN = 64, tl.constexpr("x" * 1000), tl.constexpr(float("nan"))
    assert constants_of(module) == {"SIZE": 64, "MODE": "max"}
    for number in range(100):
        setattr(module, f"C{number}", tl.constexpr(number))
    assert len(constants_of(module)) == 16


OTHER = """
LIMIT = tl.constexpr(64)

@triton.jit
def other(x, n, TILE: tl.constexpr):
    tl.static_assert(TILE <= LIMIT)
    tl.store(x + tl.arange(0, TILE), 1.0, mask=tl.arange(0, TILE) < n)

@triton.jit
def joined(x, JOIN: tl.constexpr, TYPE: tl.constexpr):
    i = tl.arange(0, 64)
    tl.store(x + i, JOIN(i.to(TYPE), 1.0))

@triton.jit
def _add(a, b):
    return a + b
"""


@pytest.fixture(scope="module")
def launcher():
    if not compiler_is_here():
        pytest.skip("this Triton brings no assembler")
    zygote = Zygote(cuda=False, dry=True)
    yield DryLauncher(zygote, H100)
    zygote.close()


def replayed(launcher, kernel, *, constants=None, options=None, **given):
    words = [{"name": name, "kind": kind, "what": what} for name, (kind, what) in given.items()]
    launch = {"kernel": kernel, "arguments": words, "options": options or {}}
    seen = Seen(launches=[launch], constants=constants or {})
    case = references(PROBLEM, PROBLEM.cases)[0]
    return launcher.launch_as_interpreted(candidate(top=OTHER), case, LIMITS, seen)


TENSOR = ("tensor", "float32")


def test_a_launch_of_another_process_is_compiled_beside_this_ones(launcher):
    options = {"num_warps": 2}
    report = replayed(launcher, "other", x=TENSOR, n=("value", 16), TILE=("value", 64), options=options)
    assert [(build.kernel, build.num_warps) for build in report.builds] == [("other", 2), ("affine", 4)]
    assert report.failures == ()


def test_functions_and_types_are_found_again(launcher):
    report = replayed(launcher, "joined", x=TENSOR, JOIN=("function", "_add"), TYPE=("type", "fp32"))
    assert "joined" in {build.kernel for build in report.builds}
    assert report.failures == ()


def test_what_does_not_compile_as_it_was_launched_is_told(launcher):
    report = replayed(launcher, "other", x=TENSOR, n=("value", 16), TILE=("value", 128))
    assert [(failure.kind, failure.kernel) for failure in report.failures] == [("compile", "other")]


def test_constants_are_those_of_the_other_process(launcher):
    constants = {"LIMIT": 128}
    report = replayed(launcher, "other", x=TENSOR, n=("value", 16), TILE=("value", 128), constants=constants)
    assert report.failures == ()
    assert "other" in {build.kernel for build in report.builds}


def test_a_kernel_that_the_module_does_not_hold_is_left_out(launcher):
    report = replayed(launcher, "nowhere", x=TENSOR)
    assert [build.kernel for build in report.builds] == ["affine"]
