"""The rules on whole candidates: the red-team corpus, the honest ones, the sample replies, hostile texts."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_candidates import WHOLE, in_forward, in_kernel

from eval.records import Failed, Rejected
from eval.rules import RuleReport, check_code, static_verdict
from harness.extract import extract
from harness.records import Candidate

HERE = Path(__file__).parent
CORPUS = sorted([*(HERE / "cheats").glob("*.py"), *(HERE / "honest").glob("*.py")])
REPLIES = json.loads((HERE / "replies" / "index.json").read_text())["replies"]
SEED = (HERE / "golden" / "final_micro_tuning_4090.txt").read_text()
CURRENT = SEED.split("[CURRENT CODE]\n```python\n")[1].split("```")[0]


def expectation(path):
    return re.search(r"^# expect: (\S+)", path.read_text(), re.MULTILINE).group(1)


def files(*expected):
    found = [path for path in CORPUS if expectation(path) in expected]
    assert found
    return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)


@files("reject-static")
@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_cheats_that_the_text_gives_away(path, mode):
    verdict = static_verdict(check_code(path.read_text(), mode=mode))
    assert isinstance(verdict, Rejected)
    assert verdict.reason in {"tampering", "library_compute"}
    assert verdict.defence.startswith("rule:")
    assert verdict.tracks.open is False


@files("accept")
def test_honest_candidates(path):
    assert check_code(path.read_text(), mode="strict").errors == ()


@files("output-rule")
def test_honest_candidates_that_break_an_output_rule(path):
    verdict = static_verdict(check_code(path.read_text(), mode="strict"))
    assert verdict.reason == "output_rules"
    assert static_verdict(check_code(path.read_text(), mode="lenient")) is None


@files("slow-honest")
def test_slow_honest_candidates_break_output_rules_at_most(path):
    verdict = static_verdict(check_code(path.read_text(), mode="strict"))
    assert verdict is None or verdict.reason == "output_rules"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_off_finds_facts_and_no_violations(path):
    report = check_code(path.read_text(), mode="off")
    assert report.violations == ()
    assert static_verdict(report) is None
    assert report.kernels


@pytest.mark.parametrize("entry", REPLIES, ids=lambda entry: entry["file"])
def test_sample_replies(entry):
    found = extract((HERE / "replies" / entry["file"]).read_text())
    if not isinstance(found, Candidate):
        assert entry["status_cuda"] == "failed"
        return
    verdict = static_verdict(check_code(found.code, mode="strict"))
    assert (verdict is not None) == (entry["status_cuda"] == "rejected")


@pytest.mark.parametrize(("name", "reason"), [("c_4.md", "output_rules"), ("c_6.md", "library_compute")])
def test_reasons_of_sample_replies(name, reason):
    found = extract((HERE / "replies" / name).read_text())
    assert static_verdict(check_code(found.code, mode="strict")).reason == reason


def test_the_current_code_of_the_seed_and_its_facts():
    report = check_code(CURRENT, mode="strict")
    assert report.violations == ()
    (kernel,) = report.kernels
    assert (kernel.name, kernel.autotuned, kernel.launched) == ("_cumsum_rowwise_kernel", True, True)
    assert [(c.kwargs, c.num_warps, c.num_stages) for c in kernel.configs] == [
        ({"BLOCK_SIZE": 128}, 4, 1),
        ({"BLOCK_SIZE": 256}, 4, 2),
        ({"BLOCK_SIZE": 512}, 8, 2),
    ]
    assert report.wrappers[-1] == "triton_exclusive_cumsum"
    assert report.library_calls == ("torch.cat", "torch.empty_like", "torch.zeros_like")


@pytest.mark.parametrize(
    ("configs", "known"),
    [
        ("[triton.Config({'BLOCK': 64}, 8, num_stages=3)]", [({"BLOCK": 64}, 8, 3)]),
        ("[triton.Config(kwargs={'BLOCK': 64})]", [({"BLOCK": 64}, None, None)]),
        ("CONFIGS", [({"BLOCK": 32}, 2, None)]),
        ("[]", []),
        ("make()", None),
        ("[triton.Config({'BLOCK': b}) for b in (1, 2)]", None),
        ("[triton.Config({'BLOCK': BLOCK})]", None),
        ("[triton.Config({'BLOCK': 64}, num_warps=WARPS)]", None),
        ("[triton.Config({'BLOCK': 64}), *more]", None),
    ],
)
def test_configs_are_known_where_they_are_written_out(configs, known):
    code = WHOLE.replace(
        "@triton.jit",
        "CONFIGS = [triton.Config({'BLOCK': 32}, num_warps=2)]\n\n\n"
        f"@triton.autotune(configs={configs}, key=['n'])\n@triton.jit",
    )
    (kernel,) = check_code(code, mode="off").kernels
    if known is None:
        assert kernel.configs is None
    else:
        assert [(c.kwargs, c.num_warps, c.num_stages) for c in kernel.configs] == known


def test_kernels_made_without_a_decorator_are_kernels():
    code = WHOLE.replace("@triton.jit\ndef add_one(", "def body(").replace(
        "\n\ndef launch",
        "\n\nadd_one = triton.autotune(configs=[], key=['n'])(triton.jit(body))\n\n\ndef launch",
    )
    (kernel,) = check_code(code, mode="off").kernels
    assert (kernel.name, kernel.launched) == ("add_one", True)


@pytest.mark.parametrize(
    "forward",
    [
        "return launch(x)",
        "return self.run(x)",
        "return Op.apply(x)",
        "return self.op(x)",
        "return pick(add_one, x)",
        "kernel = add_one if self.dim else add_one\n        kernel[(1,)](x, x, 1, BLOCK=1)\n        return x",
        "return TABLE['a'](x)",
        "KERNELS[0][(1,)](x, x, 1, BLOCK=1)\n        return x",
        "add_one.run(x, x, 1, BLOCK=1, grid=(1,), warmup=False)\n        return x",
        "f = lambda t: launch(t)\n        return f(x)",
        "for step in (launch, launch):\n            x = step(x)\n        return x",
    ],
)
def test_launches_are_found_through_calls(forward):
    code = WHOLE.replace("return launch(x)", forward).replace(
        "\n\nclass ModelNew",
        "\n\nclass Op(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        return launch(x)\n\n    def __call__(self, x):\n        return launch(x)\n\n\n"
        "def pick(kernel, x):\n    kernel[(1,)](x, x, 1, BLOCK=1)\n    return x\n\n\n"
        "TABLE = {'a': launch}\nKERNELS = [add_one]\n\n\nclass ModelNew",
    )
    code = code.replace("        self.dim = dim\n", "        self.dim = dim\n        self.op = Op()\n")
    code += "\n    def run(self, x):\n        return launch(x)\n"
    report = check_code(code, mode="strict")
    assert report.errors == ()
    assert report.kernels[0].launched


UNPARSABLE = {
    "not Python": "Sure! Here is the code.",
    "open bracket": WHOLE + "x = (",
    "NUL": "x = 1\0",
    "lone surrogate": "x = '\ud800'",
    "many brackets": "x = " + "(" * 100_000,
    "many closed brackets": "x = " + "(" * 5_000 + "1" + ")" * 5_000,
    "many signs": "x = " + "-" * 100_000 + "1",
    "many sums": "x = " + "1+" * 50_000 + "1",
    "many attributes": "x = a" + ".b" * 50_000,
    "many calls": "x = a" + "()" * 50_000,
    "many branches": "if a:\n    pass\n" + "elif a:\n    pass\n" * 5_000,
    "many blocks": "".join(" " * depth + "if a:\n" for depth in range(99)) + " " * 99 + "pass",
    "many lambdas": "x = " + "lambda: " * 5_000 + "1",
    "many nots": "x = " + "not " * 20_000 + "a",
    "a long number": "x = " + "9" * 10_000,
    "a long hexadecimal number": "def f(n: 0x" + "f" * 6_000 + "):\n    pass",
    "a long text": "x = 1\n" * 100_000,
    "nested 200 deep": "x = " + "[" * 180 + "]" * 180,
}


@pytest.mark.parametrize("code", UNPARSABLE.values(), ids=UNPARSABLE)
@pytest.mark.parametrize("mode", ["strict", "off"])
def test_texts_without_a_usable_tree(code, mode):
    report = check_code(code, mode=mode)
    verdict = static_verdict(report)
    if report.parse_error is None:
        assert code == UNPARSABLE["many blocks"]
        return
    assert isinstance(verdict, Failed)
    assert verdict.phase == "parse"
    assert report.parse_error.rule == "syntax"
    assert verdict.tracks.open is False


def numbered(text, count):
    return "".join(text.replace("#", str(number)) for number in range(count))


def pruned(body):
    return WHOLE.replace("@triton.jit", "@triton.heuristics({'A': f})\n@triton.jit") + "\n" + body


LARGE = {
    "constants": "X = [" + "1, " * 40_000 + "]",
    "names": "x = (" + "a, " * 40_000 + ")",
    "violations": "import os\n" * 10_000,
    "functions": "".join(f"def f{number}(x):\n    return f{number + 1}(x)\n" for number in range(3_000)),
    "rebound": "f = g\ng = f\nf.h = 1\n" * 5_000,
    "aliases": "".join(f"a{number + 1} = a{number}\n" for number in range(7_000)) + "a7000.b = 1",
    "lambdas": "f = lambda x: x\n" * 8_000,
    "pairs": "x = (x, x)\n" * 10_000,
    "lists": "x = [x]\n" * 12_000,
    "callbacks that call callbacks": pruned(
        "".join(f"def {a}(a):\n    return [{f'{b}(a), ' * 3000}]\n" for a, b in ("fg", "gh", "hk", "kf"))
    ),
    "private names and classes": numbered("class C#:\n    a = 1\n", 2_500) + "x._q\n" * 8_000,
    "handlers": "def f(x):\n" + "    try:\n        x\n    except A:\n        x[0]\n" * 2_500,
    "branches and names": in_forward(numbered("a# = 1\n", 3_000) + "if x: 1\n" * 3_500),
    "loops round much": in_forward(
        "".join(" " * depth + "while x:\n" for depth in range(14)) + " " * 14 + "y = [" + "x, " * 30_000 + "]"
    ),
    "methods of one name": numbered("class C#:\n    def m(self):\n        self.m\n", 2_500),
    "instances": WHOLE
    + "class C:\n"
    + numbered("    def m#(self):\n        self.v = C()\n        self.v._w\n", 2_000),
    "bases": "class A0: pass\n"
    + "".join(f"class A{n}(A{n - 1}):\n    def g(self):\n        self.cumsum\n" for n in range(1, 2_200)),
    "containers": "def f(x):\n" + "    v = []\n    v.add(1)\n" * 5_000,
    "limits of numbers": "def f(x):\n" + "    v = torch.finfo(x)\n    v.max\n" * 3_500,
    "lambdas that are called": "def f(x):\n" + "    g = lambda y: g(y)\n    g(x)\n" * 3_800,
    "loops": "".join(" " * depth + "for i in x:\n" for depth in range(90)) + " " * 90 + "x = (x, [x, x])",
    "nested calls": "def f(x):\n    return " + "f(" * 60 + "x" + ")" * 60,
    "strings": "x = '" + "a" * 120_000 + "'",
    "classes": "".join(f"class C{number}(C{number - 1}): pass\n" for number in range(5_000)),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_large_texts_end(text):
    report = check_code(text, mode="strict")
    assert report.parse_error is None
    assert len(report.violations) <= 100


def test_what_cannot_be_followed_is_refused():
    loops = "".join(" " * depth + "for i in y:\n" for depth in range(30)) + " " * 30 + "y = x + x"
    report = check_code(in_forward(loops), mode="lenient")
    assert [found.rule for found in report.errors] == ["library_compute"]
    assert "cannot be followed" in report.errors[0].message


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_of_lines_with_any_end(end):
    code = WHOLE + "# é\u2028\nné = 'é'; torch.cumsum(né, 0)\n"
    found = [one for one in check_code(code.replace("\n", end), mode="lenient").errors if one.column]
    assert {one.column for one in found} == {10}


@pytest.mark.parametrize("statement", ["raise SystemExit(0)", "raise ValueError", "return", "break"])
def test_what_stands_behind_the_end_of_a_file_is_not_there(statement):
    start, _, rest = WHOLE.partition("\n\n\n")
    report = check_code(f"{start}\n{statement}\n\n\n{rest}", mode="lenient")
    assert "model_new" in {found.rule for found in report.errors}


def test_an_async_kernel_is_none():
    report = check_code(WHOLE.replace("def add_one", "async def add_one"), mode="strict")
    assert report.kernels == ()
    assert "kernel" in {found.rule for found in report.errors}


@given(st.text(alphabet="abx =()[]:.,\n@'\"lambdefor1+*", max_size=200))
def test_no_text_makes_it_raise(text):
    assert isinstance(check_code(text, mode="strict"), RuleReport)


STATEMENTS = """
y = x
x = y = torch
del x
x, *y = x
for x in x:\\n    y = x
with x as y:\\n    pass
global launch
try:\\n    y\\nexcept x as e:\\n    raise\\nelse:\\n    y\\nfinally:\\n    x
try:\\n    x\\nexcept* x:\\n    y
class C(x):\\n    y = x
def f(x, *y, z=1, **w):\\n    return f
async def f():\\n    await x
y = [i for i in x if i]
lambda x, *y: x
x[y:x:1] = x
match x:\\n    case [1, *y] | {'a': y, **z}:\\n        x\\n    case str():\\n        y
while x:\\n    break\\nelse:\\n    x
y: int
x.y: int = 1
y = {**x, 'a': x}
print(*x, **x)
y = x if x else y
(y := x)
assert x, y
import a.b.c as d
from . import e
y = f'{x!r:>{y}}'
yield x
y = yield
return
x @= x
y = x[...]
y = not x
y = x in y
y = 1 < x < 2
""".strip().split("\n")


@given(st.lists(st.sampled_from(STATEMENTS), max_size=6), st.booleans())
def test_no_syntax_makes_it_raise(statements, kernel):
    place = in_kernel if kernel else in_forward
    assert isinstance(
        check_code(place("\n".join(statements).replace("\\n", "\n")), mode="strict"), RuleReport
    )
