import pytest
from rule_candidates import (
    IMPORTS,
    KERNEL,
    MODEL,
    WHOLE,
    WRAPPER,
    above_kernel,
    among_wrappers,
    at_end,
    errors,
    in_forward,
    in_init,
    in_kernel,
    in_wrapper,
    warnings,
)

from eval.rules import check_code

CLASS = "class ModelNew(nn.Module):"


def imports(text):
    return text + KERNEL + WRAPPER + MODEL


def model(text):
    return IMPORTS + KERNEL + WRAPPER + "\n\n" + text


ACCEPTED = {
    "whole": WHOLE,
    "docstring first": '"""What it does."""\n' + WHOLE,
    "comment first": "# <optimized code>\n\n" + WHOLE,
    "docstring behind the imports": above_kernel('"""What it does."""\n'),
    "from torch import nn": imports(IMPORTS.replace("import torch.nn as nn", "from torch import nn")),
    "from triton import language": imports(
        IMPORTS.replace("import triton.language as tl", "from triton import language as tl")
    ),
    "imports in another order": imports("".join(reversed(IMPORTS.splitlines(keepends=True)))),
    "two imports in one": imports(IMPORTS.replace("import torch\n", "import torch, triton\n")),
    "wrapper named like a test": WHOLE.replace("launch", "test_and_launch"),
    "two kernels": IMPORTS + KERNEL + KERNEL.replace("add_one", "add_two") + WRAPPER + MODEL,
    "helper of kernels": above_kernel("@triton.jit\ndef _add(a, b):\n    return a + b\n"),
    "no wrapper": IMPORTS + KERNEL + MODEL.replace("launch(x)", "add_one[(1,)](x, x, 1, BLOCK=1)"),
    "assertion in a wrapper": in_wrapper("assert x.dim() == 2, 'rows'"),
    "assertion in a kernel": in_kernel("tl.static_assert(BLOCK > 0)"),
    "print of a kernel": in_kernel("tl.device_print('n', n)"),
    "print in a kernel": in_kernel("print('n', n)"),
    "class constant": WHOLE.replace(CLASS, CLASS + "\n    BLOCK = 128\n"),
    "no_grad": WHOLE.replace("    def forward", "    @torch.no_grad()\n    def forward"),
    "extra methods": WHOLE.replace(
        "    def forward", "    def helper(self):\n        return 1\n\n    def forward"
    ),
    "old super": WHOLE.replace("super()", "super(ModelNew, self)"),
    "inherited through an own class": model(
        "class Base(nn.Module):\n    def forward(self, x):\n        return launch(x)\n\n\n"
        "class ModelNew(Base):\n    pass\n"
    ),
    "nn by its full name": WHOLE.replace(CLASS, "class ModelNew(torch.nn.Module):"),
    "autotuned": WHOLE.replace(
        "@triton.jit", "@triton.autotune(configs=[triton.Config({'BLOCK': 64})], key=['n'])\n@triton.jit"
    ),
    "jit with options": WHOLE.replace("@triton.jit", "@triton.jit(do_not_specialize=['n'])"),
    "lambda grid": in_wrapper(
        "grid = lambda meta: (triton.cdiv(n, meta['BLOCK']),)\nadd_one[grid](x, out, n)"
    ),
    "launcher kept in a variable": in_wrapper("run = add_one[(1,)]\nrun(x, out, n, BLOCK=128)"),
    "list in a kernel": in_kernel("zero = tl.zeros([BLOCK], dtype=tl.float32)"),
    "loops in a kernel": in_kernel("for i in tl.static_range(2):\n    n = n + 0\nwhile n < 0:\n    n += 1"),
    "if in a kernel": in_kernel("if BLOCK > 2:\n    n = n + 0\nelse:\n    n = n - 0"),
    "inline function of the language": in_kernel("m = tl.math.exp2(1.0)"),
    "cdiv in a kernel": in_kernel("m = triton.cdiv(n, BLOCK)"),
    "None in a kernel": in_kernel("if x_ptr is not None:\n    n = n + 0"),
    "infinity in a kernel": in_kernel("m = float('-inf')"),
    "message in a kernel": in_kernel("tl.static_assert(BLOCK > 1, f'BLOCK is {BLOCK}')"),
    "method of a value in a kernel": in_kernel("m = (n + 0).to(tl.float32)"),
    "constant of the file in a kernel": in_kernel("m = WIDTH + n").replace(
        "\n\ndef launch", "\n\nWIDTH = tl.constexpr(4)\n\n\ndef launch"
    ),
    "function of a kernel as an argument": above_kernel(
        "@triton.jit\ndef two(a):\n    return a * 2\n"
    ).replace("out, n, BLOCK=", "out, n, F=two, BLOCK="),
    "function of the host in a table": in_wrapper("n = {'a': max}['a'](n, 1)\nf = [launch][0]"),
    "tuple in a kernel": in_kernel("a, b = n, n + 1"),
    "constexpr function": above_kernel("@triton.jit\ndef two(a):\n    return a * 2\n").replace(
        "    offs = tl", "    m = two(n)\n    offs = tl"
    ),
}


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(code):
    assert errors(code) == set()


REJECTED = {
    ("imports", "numpy"): imports(IMPORTS + "import numpy as np\n"),
    ("imports", "math"): imports(IMPORTS + "import math\n"),
    ("imports", "future"): imports("from __future__ import annotations\n" + IMPORTS),
    ("imports", "functional"): imports(IMPORTS + "import torch.nn.functional as F\n"),
    ("imports", "alias of torch"): imports("import torch as T\n" + IMPORTS),
    ("imports", "from torch"): imports(IMPORTS + "from torch import empty\n"),
    ("imports", "from triton"): imports(IMPORTS + "from triton import cdiv\n"),
    ("imports", "star"): imports(IMPORTS + "from torch import *\n"),
    ("imports", "relative"): imports(IMPORTS + "from . import helpers\n"),
    ("imports", "other name of nn"): imports(
        IMPORTS.replace("as nn", "as neural") + "import torch.nn as nn\n"
    ),
    ("imports", "in a function"): in_forward("import torch"),
    ("imports", "in a class"): WHOLE.replace(CLASS, CLASS + "\n    import math\n"),
    ("imports", "in a try"): above_kernel("try:\n    import numba\nexcept ImportError:\n    numba = None\n"),
    ("imports", "in a condition"): above_kernel("if torch.cuda.is_available():\n    import numba\n"),
    ("order", "constant before the kernels"): above_kernel("BLOCK = 128\n"),
    ("order", "annotated constant before the kernels"): above_kernel("BLOCK: int = 128\n"),
    ("order", "function before the kernels"): above_kernel("def configs():\n    return []\n"),
    ("order", "class before the kernels"): above_kernel("class Config:\n    block = 1\n"),
    ("order", "wrapper before the kernels"): IMPORTS + WRAPPER + KERNEL + MODEL,
    ("order", "kernel between wrappers"): among_wrappers(KERNEL.replace("add_one", "add_two")),
    ("order", "kernel behind the model"): at_end(KERNEL.replace("add_one", "add_two")),
    ("order", "constant between kernels"): IMPORTS
    + KERNEL
    + "\nN = 1\n"
    + KERNEL.replace("add_one", "b")
    + WRAPPER
    + MODEL,
    ("order", "import behind a kernel"): IMPORTS.replace("import torch\n", "")
    + KERNEL
    + "import torch\n"
    + WRAPPER
    + MODEL,
    ("order", "model before the wrapper"): IMPORTS + KERNEL + MODEL + WRAPPER,
    ("order", "function behind the model"): at_end("def more():\n    return 1\n"),
    ("order", "constant behind the model"): at_end("N = 1"),
    ("order", "loop at the top level"): among_wrappers("for i in range(3):\n    pass\n"),
    ("order", "with at the top level"): among_wrappers("with torch.no_grad():\n    pass\n"),
    ("order", "kernel in a function"): IMPORTS
    + "\n\ndef make():\n"
    + "".join("    " + line + "\n" for line in KERNEL.strip().split("\n"))
    + "    return add_one\n"
    + WRAPPER.replace("add_one[", "make()[")
    + MODEL,
    ("main_guard", "plain"): at_end("if __name__ == '__main__':\n    print(1)"),
    ("main_guard", "turned round"): at_end('if "__main__" == __name__:\n    pass'),
    ("get_inputs", "function"): at_end("def get_inputs():\n    return [torch.rand(2)]"),
    ("get_inputs", "variable"): at_end("get_inputs = lambda: []"),
    ("get_init_inputs", "function"): at_end("def get_init_inputs():\n    return [1]"),
    ("testing_code", "print in forward"): in_forward("print(x.shape)"),
    ("testing_code", "print in a wrapper"): in_wrapper("print('launched')"),
    ("testing_code", "print at the top level"): at_end("print('hello')"),
    ("testing_code", "assertion at the top level"): at_end("assert torch.cuda.is_available()"),
    ("testing_code", "call at the top level"): at_end("launch(torch.ones(3))"),
    ("testing_code", "test function"): among_wrappers("def test_it():\n    launch(torch.ones(3))\n"),
    ("testing_code", "main function"): among_wrappers("def main():\n    launch(torch.ones(3))\n"),
    ("testing_code", "benchmark"): among_wrappers("def benchmark(n):\n    launch(torch.ones(n))\n"),
    ("testing_code", "torch.testing"): in_forward("torch.testing.assert_close(x, x)"),
    ("model_new", "missing"): IMPORTS + KERNEL + WRAPPER,
    ("model_new", "other name"): WHOLE.replace("class ModelNew", "class Model"),
    ("model_new", "no module"): WHOLE.replace(CLASS, "class ModelNew:"),
    ("model_new", "object"): WHOLE.replace(CLASS, "class ModelNew(object):"),
    ("model_new", "other module"): WHOLE.replace(CLASS, "class ModelNew(nn.Linear):"),
    ("model_new", "no forward"): WHOLE.replace("def forward", "def backward"),
    ("model_new", "twice"): WHOLE + MODEL,
    ("model_new", "rebound"): at_end("class Other(nn.Module):\n    pass\n\n\nModelNew = Other"),
    ("model_new", "rebound by import"): at_end("from somewhere import Other as ModelNew"),
    ("model_new", "rebound by a loop"): at_end("for ModelNew in [nn.Module]:\n    pass"),
    ("model_new", "rebound by global"): in_wrapper("global ModelNew\nModelNew = nn.Module"),
    ("model_new", "deleted"): at_end("del ModelNew"),
    ("model_new", "in a condition"): model(
        "if torch.cuda.is_available():\n    class ModelNew(nn.Module):\n        def forward(self, x):\n"
        "            return launch(x)\n"
    ),
    ("model_new", "decorated"): WHOLE.replace(CLASS, "@torch.no_grad()\n" + CLASS),
    ("model_new", "metaclass"): WHOLE.replace("(nn.Module)", "(nn.Module, metaclass=type)"),
    ("model_new", "forward twice"): WHOLE + "\n    def forward(self, x):\n        return launch(x)\n",
    ("model_new", "forward assigned in the class"): WHOLE + "\n    forward = launch\n",
    ("model_new", "forward assigned in init"): in_init("self.forward = launch"),
    ("model_new", "forward as a lambda"): WHOLE.replace(
        "    def forward(self, x):\n        return launch(x)\n", "    forward = lambda self, x: launch(x)\n"
    ),
    ("model_new", "forward async"): WHOLE.replace("    def forward", "    async def forward"),
    ("model_new", "forward wrapped"): WHOLE.replace("    def forward", "    @staticmethod\n    def forward"),
    ("model_new", "forward replaced later"): at_end("ModelNew.forward = launch"),
    ("model_new", "call"): WHOLE + "\n    def __call__(self, x):\n        return launch(x)\n",
    ("model_new", "call impl"): WHOLE + "\n    def _call_impl(self, x):\n        return launch(x)\n",
    ("redefined", "wrapper twice"): IMPORTS + KERNEL + WRAPPER + WRAPPER + MODEL,
    ("redefined", "kernel by a function"): IMPORTS
    + KERNEL
    + WRAPPER
    + "\n\ndef add_one(x):\n    return x\n"
    + MODEL,
    ("redefined", "wrapper by a constant"): among_wrappers("launch = None\n"),
    ("redefined", "kernel by global"): in_wrapper("global add_one\nadd_one = None"),
    ("kernel", "none"): IMPORTS + "\n\ndef launch(x):\n    return x\n" + MODEL,
    ("kernel", "not jit"): WHOLE.replace("@triton.jit\n", ""),
    ("launch", "never"): WHOLE.replace("return launch(x)", "return x"),
    ("launch", "only in an unused function"): WHOLE.replace("return launch(x)", "return torch.empty_like(x)"),
    ("launch", "only in a dead branch"): WHOLE.replace(
        "return launch(x)", "if False:\n            launch(x)\n        return x"
    ),
    ("launch", "only behind the return"): WHOLE.replace("return launch(x)", "return x\n        launch(x)"),
    ("launch", "only in init"): in_init("launch(torch.ones(1))").replace("return launch(x)", "return x"),
    ("launch", "mentioned but not launched"): WHOLE.replace(
        "return launch(x)", "f = add_one\n        return x"
    ),
    ("kernel_escape", "question"): in_kernel("if isinstance(BLOCK, int):\n    n = n"),
    ("kernel_escape", "type"): in_kernel("m = type(n)"),
    ("kernel_escape", "text"): in_kernel("m = float(str(n))"),
    ("kernel_escape", "f-string"): in_kernel("m = float(f'{n}')"),
    ("kernel_escape", "formatted text"): in_kernel("m = float('%s' % n)"),
    ("kernel_escape", "format"): in_kernel("m = float('{}'.format(n))"),
    ("kernel_escape", "function of a table"): in_kernel("m = TABLE[0](n)").replace(
        "\n\ndef launch", "\n\nTABLE = [max]\n\n\ndef launch"
    ),
    ("kernel_escape", "method of an object"): in_kernel("m = OBJECT.go(n)").replace(
        "\n\ndef launch", "\n\nOBJECT = make()\n\n\ndef launch"
    ),
    ("kernel_escape", "host function as an argument"): WHOLE.replace(
        "x, out, n, BLOCK", "x, out, launch, BLOCK"
    ),
    ("kernel_escape", "lambda as an argument"): WHOLE.replace(
        "out, n, BLOCK=", "out, n, F=lambda v: v, BLOCK="
    ),
    ("kernel_escape", "lambda"): in_kernel("f = lambda a: a"),
    ("kernel_escape", "try"): in_kernel("try:\n    n = n\nexcept Exception:\n    n = n"),
    ("kernel_escape", "import"): in_kernel("import numpy"),
    ("kernel_escape", "inner function"): in_kernel("def f(a):\n    return a"),
    ("kernel_escape", "dict"): in_kernel("d = {'a': n}"),
    ("kernel_escape", "append"): in_kernel("parts = []\nparts.append(n)"),
    ("kernel_escape", "handle"): in_kernel("raw = x_ptr.handle"),
    ("kernel_escape", "data"): in_kernel("raw = x_ptr.handle.data"),
    ("kernel_escape", "private"): in_kernel("raw = x_ptr._handle"),
    ("kernel_escape", "store to a part"): in_kernel("x_ptr[0] = n"),
    ("kernel_escape", "store to an attribute"): in_kernel("x_ptr.n = n"),
    ("kernel_escape", "global"): in_kernel("global STATE\nSTATE = n"),
    ("kernel_escape", "raise"): in_kernel("if n < 0:\n    raise ValueError"),
    ("kernel_escape", "host function"): in_kernel("m = helper(n)").replace(
        WRAPPER, "\n\ndef helper(n):\n    return n\n" + WRAPPER
    ),
    ("kernel_escape", "host function under another name"): in_kernel("m = alias(n)").replace(
        WRAPPER, "\n\ndef helper(n):\n    return n\n\n\nalias = helper\n" + WRAPPER
    ),
    ("kernel_escape", "generator"): in_kernel("m = sum(i for i in range(n))"),
    ("kernel_escape", "del"): in_kernel("del n"),
    ("kernel_escape", "triton at large"): in_kernel("m = triton.autotune"),
}


@pytest.mark.parametrize(
    ("rule", "code"), [(key[0], code) for key, code in REJECTED.items()], ids=map(" - ".join, REJECTED)
)
def test_rejected(rule, code):
    assert rule in errors(code)


@pytest.mark.parametrize(
    "snippet", ["N = 128\n", "N: int = 128\n", "class Plan:\n    block = 1\n", "TABLE = {torch.float32: 1}\n"]
)
def test_constants_and_classes_among_the_wrappers_are_a_warning(snippet):
    code = among_wrappers(snippet)
    assert errors(code) == set()
    assert warnings(code) == {"order"}


def test_lenient_only_warns_of_imports_and_order():
    code = above_kernel("import math\nN = 128\n")
    assert errors(code) == {"imports", "order"}
    assert errors(code, "lenient") == set()
    assert warnings(code, "lenient") == {"imports", "order"}


@pytest.mark.parametrize(
    "key", [key for key in REJECTED if key[0] not in {"imports", "order"}], ids=" - ".join
)
def test_lenient_keeps_the_other_rules(key):
    assert key[0] in errors(REJECTED[key], "lenient")


def test_a_violation_says_where_it_is():
    code = in_forward("print('é', x.sum())")
    found = {violation.rule: violation for violation in check_code(code, mode="strict").violations}
    line = code.split("\n")[found["library_compute"].line - 1]
    assert line[found["library_compute"].column :].startswith("x.sum()")
    assert line[found["testing_code"].column :].startswith("print(")
