"""References that keep something: weights, statistics, a hidden state. Each on real runners on the CPU."""

import textwrap

import pytest
from judge_work import LIMITS, ended

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval import Case, Job, Problem
from eval.records import SizeProfile

REFERENCE = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def __init__(self, n):
        super().__init__()
{init}

    def forward(self, x):
{forward}

rows = 64
n = 32

def get_inputs():
    return [torch.randn(rows, n)]

def get_init_inputs():
    return [n]
"""
SCALED = """
import torch
import torch.nn as nn
import triton
import triton.language as tl

@triton.jit
def scaled(x, w, b, y, n, width, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    m = i < n
    at = i % width
    v = tl.load(x + i, mask=m) * tl.load(w + at, mask=m) + tl.load(b + at, mask=m)
    tl.store(y + i, v, mask=m)

def run(x, w, b):
    x = x.contiguous()
    y = torch.empty_like(x)
    scaled[(triton.cdiv(x.numel(), 64),)](x, w, b, y, x.numel(), w.numel(), BLOCK=64)
    return y

class ModelNew(nn.Module):
    def __init__(self, n):
        super().__init__()
{init}

    def forward(self, x):
{forward}
"""
AFFINE = "self.weight = nn.Parameter(torch.ones(n))\nself.bias = nn.Parameter(torch.zeros(n))"
RANDOM = "self.fc = nn.Linear(n, 2)"


def filled(template, **parts):
    for name, text in parts.items():
        template = template.replace(f"{{{name}}}", textwrap.indent(textwrap.dedent(text), " " * 8))
    return template


def problem(init, forward):
    cases = tuple(
        Case(name=f"{rows}x{n}", constants={"rows": rows, "n": n}) for rows, n in ((3, 5), (4, 17), (2, 33))
    )
    return Problem(
        name="kept", reference=filled(REFERENCE, init=init, forward=forward),
        sizes=(SizeProfile(name="full"),), cases=cases, hash=f"{init}{forward}", tolerance="measured",
    )  # fmt: skip


def judged(judge, reference, init, forward):
    job = Job(
        problem=problem(*reference), code=filled(SCALED, init=init, forward=forward), device="cpu",
        rules="off", audits=False, limits=LIMITS,
    )  # fmt: skip
    return judge.evaluate(job)


REFERENCES = {
    "affine": (AFFINE, "return x * self.weight + self.bias"),
    "linear": (RANDOM, "return x * self.fc.weight[0] + self.fc.weight[1]"),
    "train-mode batch norm": ("self.bn = nn.BatchNorm1d(n)", "return self.bn(x)"),
    "dropout": (AFFINE + "\nself.drop = nn.Dropout(0.5)", "return self.drop(x) * self.weight + self.bias"),
    "dropout as a function": (
        AFFINE,
        "return nn.functional.dropout(x, 0.5, training=self.training) * self.weight + self.bias",
    ),
    "code that holds itself": (
        AFFINE + "\nown = self\nself.scaled = lambda x: x * own.weight + own.bias",
        "return self.scaled(x)",
    ),
    "hidden state": (
        "self.register_buffer('hidden', torch.zeros(n))",
        "self.hidden = self.hidden + x.sum(0)\nreturn x + self.hidden",
    ),
    "two scales": (
        "self.one = nn.Parameter(torch.ones(n))\nself.two = nn.Parameter(torch.ones(n))",
        "return torch.sin(x * self.one) * self.two",
    ),
    "norm and scale": (
        "self.norm = nn.LayerNorm(n)\nself.scale = nn.Parameter(torch.ones(n))",
        "return torch.tanh(self.norm(x)) * self.scale",
    ),
    "norm that does not train": ("self.bn = nn.BatchNorm1d(n).eval()", "return self.bn(x)"),
    "identity": (
        """
        self.fc = nn.Linear(n, n, bias=False)
        nn.init.eye_(self.fc.weight)
        self.w = nn.Parameter(torch.randn(n))
        """,
        "return self.fc(x) * self.w",
    ),
    "table": ("self.table = nn.Parameter(torch.zeros(1, 1, n))", "return (x + self.table)[0]"),
    "temperature": ("self.t = nn.Parameter(torch.ones(1) / 7 ** 0.5)", "return x * self.t"),
    "mask": (
        "self.mask = nn.Parameter(torch.full((n,), float('-inf')))\nself.w = nn.Parameter(torch.randn(n))",
        "return torch.maximum(x * self.w, self.mask)",
    ),
    "one random number": ("self.fc = nn.Linear(n, 1)", "return x * self.fc.weight[0] + self.fc.bias"),
    "one scale": ("self.scale = nn.Parameter(torch.tensor(1.0))", "return x * self.scale"),
    "norm and linear": (
        "self.fc = nn.Linear(n, 2)\nself.norm = nn.LayerNorm(n)",
        "return self.norm(x) * self.fc.weight[0] + self.fc.weight[1]",
    ),
    "hidden state and scale": (
        AFFINE + "\nself.register_buffer('hidden', torch.zeros(n))",
        "self.hidden = self.hidden + x.sum(0)\nreturn x * self.weight + self.hidden",
    ),
    "hidden attribute": (
        "self.hidden = torch.randn(n)",
        "self.hidden = self.hidden.to(x.device) * 2\nreturn x + self.hidden",
    ),
}
PASSES = {
    "dropout as a function": (
        "dropout as a function",
        AFFINE,
        "return run(x, self.weight, self.bias)",
        "state_dict",
    ),
    "code that holds itself": (
        "code that holds itself",
        AFFINE,
        "return run(x, self.weight, self.bias)",
        "state_dict",
    ),
    "by name": ("affine", AFFINE, "return run(x, self.weight, self.bias)", "state_dict"),
    "by seed": (
        "linear",
        "fc = nn.Linear(n, 2)\nself.w, self.b = (nn.Parameter(row.clone()) for row in fc.weight)",
        "return run(x, self.w, self.b)",
        "seed",
    ),
    "ones and zeros under other names, in another shape": (
        "affine",
        "self.gamma = nn.Parameter(torch.ones(1, n))\nself.beta = nn.Parameter(torch.zeros(n))",
        "return run(x, self.gamma, self.beta)",
        "seed",
    ),
    "one of two under its own name": (
        "affine",
        "self.weight = nn.Parameter(torch.ones(n))\nself.b = nn.Parameter(torch.zeros(n))",
        "return run(x, self.weight, self.b)",
        "seed",
    ),
    "two alike, in the order of the reference": (
        "two scales",
        "self.p = nn.Parameter(torch.ones(n))\nself.q = nn.Parameter(torch.ones(n))",
        "return run(torch.sin(run(x, self.p, torch.zeros_like(self.p))), self.q, torch.zeros_like(self.q))",
        "seed",
    ),
    "a state of another name beside a scale of another name": (
        "hidden state and scale",
        "self.gamma = nn.Parameter(torch.ones(n))\nself.register_buffer('h', torch.zeros(n))",
        "self.h = self.h + x.sum(0)\nreturn run(x, self.gamma, self.h)",
        "seed",
    ),
    "flat, in the order of the reference": (
        "norm and scale",
        """
        self.gamma, self.beta = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        self.factor = nn.Parameter(torch.ones(n))
        """,
        """
        y = torch.tanh(nn.functional.layer_norm(x, x.shape[1:], self.gamma, self.beta))
        return run(y, self.factor, 0 * self.beta)
        """,
        "seed",
    ),
    "one kept by name, which another must not take": (
        "norm and scale",
        "self.a = nn.Parameter(torch.ones(n))\nself.norm = nn.LayerNorm(n)",
        """
        y = torch.tanh(nn.functional.layer_norm(x, x.shape[1:], self.norm.weight, self.norm.bias))
        return run(y, self.a, 0 * self.norm.bias)
        """,
        "seed",
    ),
    "statistics under their names": (
        "norm that does not train",
        "self.bn = nn.BatchNorm1d(n)",
        """
        scale = self.bn.weight / (self.bn.running_var + 1e-5).sqrt()
        return run(x - self.bn.running_mean, scale, self.bn.bias)
        """,
        "state_dict",
    ),
    "statistics kept as parameters before the others": (
        "norm that does not train",
        """
        self.running_mean = nn.Parameter(torch.zeros(n), requires_grad=False)
        self.running_var = nn.Parameter(torch.ones(n), requires_grad=False)
        self.w, self.b = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        """,
        "return run(x - self.running_mean, self.w / (self.running_var + 1e-5).sqrt(), self.b)",
        "seed",
    ),
    "a table with fewer dimensions": (
        "table",
        "self.t = nn.Parameter(torch.zeros(n))",
        "return run(x, torch.ones_like(self.t), self.t)",
        "seed",
    ),
    "another last bit": (
        "temperature",
        "self.temperature = nn.Parameter(torch.tensor([7 ** -0.5]))",
        "return run(x, self.temperature, 0 * self.temperature)",
        "seed",
    ),
    "a mask without bounds": (
        "mask",
        "self.v = nn.Parameter(torch.randn(n))\nself.low = nn.Parameter(torch.full((1, n), float('-inf')))",
        "return run(x, self.v, torch.zeros_like(self.v))",
        "seed",
    ),
    "one random number among others": (
        "one random number",
        "fc = nn.Linear(n, 1)\nself.all = nn.Parameter(torch.cat([fc.weight[0], fc.bias]))",
        "return run(x, self.all[:-1].contiguous(), self.all[-1:].repeat(len(self.all) - 1))",
        "seed",
    ),
    "dropout is off": ("dropout", AFFINE, "return run(x, self.weight, self.bias)", "state_dict"),
    "batch norm by itself": (
        "train-mode batch norm",
        "self.bn = nn.BatchNorm1d(n)",
        """
        scale = self.bn.weight / (x.var(0, unbiased=False) + 1e-5).sqrt()
        return run(x - x.mean(0), scale, self.bn.bias)
        """,
        "state_dict",
    ),
    "batch norm as it is": (
        "train-mode batch norm",
        "self.bn = nn.BatchNorm1d(n)",
        "return self.bn(x)",
        "state_dict",
    ),
    "a state that is carried": (
        "hidden state",
        "self.register_buffer('hidden', torch.zeros(n))",
        "self.hidden = self.hidden + x.sum(0)\nreturn run(x, torch.ones_like(self.hidden), self.hidden)",
        "state_dict",
    ),
    "a state of another name": (
        "hidden attribute",
        "self.h = torch.randn(n)",
        "self.h = self.h * 2\nreturn run(x, torch.ones_like(self.h), self.h)",
        "state_dict",
    ),
}
FAILS = {
    "statistics left out": (
        "norm that does not train",
        """
        self.bn = nn.Module()
        self.bn.weight, self.bn.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        """,
        "return run(x, self.bn.weight / (1 + 1e-5) ** 0.5, self.bn.bias)",
    ),
    "an identity left out": (
        "identity",
        "fc = nn.Linear(n, n, bias=False)\nself.v = nn.Parameter(torch.randn(n))",
        "return run(x, self.v, 0 * self.v)",
    ),
    "ones and zeros left out": ("affine", "pass", "return x.clone()"),
    "zeros left out": (
        "affine",
        "self.weight = nn.Parameter(torch.ones(n))",
        "return run(x, self.weight, torch.zeros_like(self.weight))",
    ),
    "a scale of one element left out": ("one scale", "pass", "return x.clone()"),
    "ones of a norm left out beside weights by seed": (
        "norm and linear",
        "self.w = nn.Linear(n, 2).weight",
        "return run(nn.functional.layer_norm(x, x.shape[-1:]), self.w[0], self.w[1])",
    ),
    "weights ignored": ("affine", AFFINE, "return x.clone()"),
    "bias ignored": ("affine", AFFINE, "return run(x, self.weight, torch.zeros_like(self.bias))"),
    "weights kept from the first call": (
        "affine",
        AFFINE,
        """
        k = self.__dict__.setdefault('k', (self.weight.clone(), self.bias.clone()))
        return run(x, *k)
        """,
    ),
    "weights kept from the constructor": (
        "affine",
        AFFINE + "\nself.copy = self.weight.clone()",
        "return run(x, self.copy, self.bias)",
    ),
    "other weights by seed": (
        "linear",
        "self.w = nn.Parameter(torch.randn(n))",
        "return run(x, self.w, self.w)",
    ),
    "a state forgotten": (
        "hidden state",
        "pass",
        "return run(x, torch.ones_like(x[0]), torch.zeros_like(x[0]))",
    ),
    "statistics of a batch norm instead of the batch's": (
        "train-mode batch norm",
        "self.bn = nn.BatchNorm1d(n)",
        "return run(x, self.bn.weight / (self.bn.running_var + 1e-5).sqrt(), self.bn.bias)",
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_agrees_with_the_reference_passes(judge, name):
    reference, init, forward, parity = PASSES[name]
    verdict = judged(judge, REFERENCES[reference], init, forward)
    assert ended(verdict) == "passed", verdict.detail
    assert verdict.guarantees.weights == parity


@pytest.mark.parametrize("name", FAILS)
def test_what_does_not_is_incorrect(judge, name):
    reference, init, forward = FAILS[name]
    verdict = judged(judge, REFERENCES[reference], init, forward)
    assert ended(verdict) == "incorrect: values", verdict.detail


def test_a_wrong_answer_names_the_parameters_that_were_left_out(judge):
    verdict = judged(
        judge, REFERENCES["affine"], "self.weight = nn.Parameter(torch.ones(n))", "return x * self.weight"
    )
    assert "it keeps no parameter bias of shape [" in verdict.detail
    assert "no parameter stands for bias" in verdict.detail
    assert verdict.guarantees.weights == "seed"


def test_random_numbers_in_forward_are_our_failure(judge):
    from eval import JudgeFailedError

    with pytest.raises(JudgeFailedError, match="random numbers drawn in forward"):
        judged(judge, (AFFINE, "return x * torch.rand(1)"), AFFINE, "return x.clone()")


def test_a_reference_without_weights_says_nothing_of_them(judge):
    verdict = judged(judge, ("pass", "return x * 2 + 1"), "pass", "return x * 2 + 1")
    assert (ended(verdict), verdict.guarantees.weights) == ("passed", None)
