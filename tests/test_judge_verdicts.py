"""Real runners on the CPU: what a candidate does, and the verdict that it gets."""

import pytest
from judge_work import HONEST, LIMITS, PROBLEM, candidate, ended, job

from eval import Case

RIGHT = "y = run(x, self.factor)"


def test_an_honest_candidate_passes(judge):
    verdict = judge.evaluate(job(HONEST, rules="strict"))
    assert ended(verdict) == "passed", verdict.detail
    assert verdict.tracks.open is True
    assert verdict.device == "cpu"
    assert verdict.timing is None
    assert verdict.defence is None
    assert verdict.problem_hash == PROBLEM.hash
    assert verdict.environment.triton
    assert {"no_new_privs", "rlimits", "seccomp"} <= set(verdict.guarantees.sandbox)
    assert not set(verdict.guarantees.sandbox) & set(verdict.guarantees.missing)


def test_variants_are_told_and_those_the_interpreter_gets_wrong_are_not_run(judge):
    verdict = judge.evaluate(job(HONEST))
    assert {v.case: v.status for v in verdict.variants} == {
        "transposed": "passed", "float64": "passed", "bfloat16": "unsupported",
    }  # fmt: skip
    assert verdict.robust is True


def test_a_wrong_variant_costs_the_mark_and_no_more(judge):
    code = candidate("assert x.dtype is torch.float32\nreturn run(x, self.factor)")
    verdict = judge.evaluate(job(code))
    assert (verdict.status, verdict.robust) == ("passed", False)
    assert [v.case for v in verdict.variants if v.status == "failed"] == ["float64"]


def test_a_variant_that_ends_the_process_ends_the_others(judge):
    code = candidate("import os\nif x.dtype is torch.float64: os._exit(3)\nreturn run(x, self.factor)")
    verdict = judge.evaluate(job(code))
    assert (verdict.status, verdict.robust) == ("passed", False)


def test_a_problem_of_dtypes_that_the_interpreter_gets_wrong_is_unsupported(judge):
    wrong = PROBLEM.model_copy(update={"cases": (Case(name="c", dtype="bfloat16"),)})
    verdict = judge.evaluate(job(HONEST, problem=wrong))
    assert ended(verdict) == "failed: unsupported"
    assert "bfloat16" in verdict.detail


WRONG = {
    "values": {
        "zeros": "return torch.zeros_like(x)",
        "a copy of the input": "return x.clone()",
        "stale": f"{RIGHT}\nk = self.__dict__.setdefault('k', {{}})\nreturn k.setdefault(y.shape, y).clone()",
        "one element": f"{RIGHT}\ny[-1, -1] += 1\nreturn y",
        "half precision": f"{RIGHT}\nreturn y.half().float()",
        "the factor of another instance": "return run(x, 2.0)",
        "rows exchanged": f"{RIGHT}\nreturn y.flip(0)",
    },
    "shape": {
        "a row less": f"{RIGHT}\nreturn y[:-1]",
        "flat": f"{RIGHT}\nreturn y.reshape(-1)",
        "a dimension more": f"{RIGHT}\nreturn y[None]",
        "empty": "return torch.empty(0)",
        "huge": "return torch.empty(1, 1).expand(60_000, 60_000)",
    },
    "dtype": {
        "double": f"{RIGHT}\nreturn y.double()",
        "whole": f"{RIGHT}\nreturn y.long()",
        "bool": f"{RIGHT}\nreturn y.bool()",
        "eight bits": f"{RIGHT}\nreturn y.to(torch.float8_e5m2)",
    },
    "type": {
        "nothing": f"{RIGHT}\nreturn None",
        "a tuple": f"{RIGHT}\nreturn (y,)",
        "a list": f"{RIGHT}\nreturn [y]",
        "a dictionary": f"{RIGHT}\nreturn {{'y': y}}",
        "a number": "return 1.0",
        "a parameter": f"{RIGHT}\nreturn nn.Parameter(y)",
        "a sparse tensor": f"{RIGHT}\nreturn y.to_sparse()",
        "a tensor elsewhere": f"{RIGHT}\nreturn y.to('meta')",
        "an array": f"{RIGHT}\nreturn y.numpy()",
        "too many": f"{RIGHT}\nreturn [y] * 1000",
        "a class of its own": f"class Lazy(torch.Tensor): pass\n{RIGHT}\nreturn y.as_subclass(Lazy)",
    },
    "not_finite": {
        "a hole": f"{RIGHT}\ny[0, 0] = float('nan')\nreturn y",
        "infinite": f"{RIGHT}\nreturn y / 0",
    },
    "mutated_input": {
        "cleared": f"{RIGHT}\nx.zero_()\nreturn y",
        "one bit": f"{RIGHT}\nx[0, 0] = -x[0, 0]\nreturn y",
        "used as scratch": f"{RIGHT}\nx.copy_(y)\nreturn y",
    },
    "aliased_output": {
        "the input": "return x",
        "the input, filled with the answer": f"{RIGHT}\nx.copy_(y)\nreturn x",
        "a part of the input": "return x[:]",
        "the same buffer each time": (
            f"{RIGHT}\nk = self.__dict__.setdefault('k', {{}})\n"
            "return k.setdefault(y.shape, torch.empty_like(y)).copy_(y)"
        ),
    },
    "nondeterministic": {
        "every other time": (
            f"{RIGHT}\nself.count = getattr(self, 'count', 0) + 1\nreturn y + self.count % 2"
        ),
    },
}


@pytest.mark.parametrize(
    ("reason", "forward"),
    [
        pytest.param(r, forward, id=f"{r}: {name}")
        for r, table in WRONG.items()
        for name, forward in table.items()
    ],
)
def test_wrong_answers_are_told_apart(judge, reason, forward):
    verdict = judge.evaluate(job(candidate(forward), audits=False))
    assert ended(verdict) == f"incorrect: {reason}", verdict.detail
    assert verdict.defence == reason
    assert verdict.tracks.open is False
    assert verdict.detail


CONFIGS = "configs = [triton.Config({'BLOCK': b}) for b in (16, 32, 64)]"
TUNED = HONEST.replace("@triton.jit", "@triton.autotune(configs, key=['n'])\n@triton.jit").replace(
    "(triton.cdiv(x.numel(), 64),)", "lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']),)"
).replace(", BLOCK=64", "")  # fmt: skip


@pytest.mark.parametrize(
    ("replaced", "outcome"),
    [
        ({}, "passed"),
        ({"factor + 1": "factor + (1 if BLOCK != 32 else 2)"}, "incorrect"),
        ({"i < n": "i < n - (BLOCK == 16)"}, "incorrect"),
    ],
)
def test_every_configuration_counts(judge, replaced, outcome):
    code = TUNED.replace("\n@triton.autotune", f"\n{CONFIGS}\n\n@triton.autotune", 1)
    for old, new in replaced.items():
        code = code.replace(old, new)
    assert judge.evaluate(job(code)).status == outcome


def test_more_configurations_than_can_be_checked_are_refused(judge):
    many = "configs = [triton.Config({'BLOCK': 64}, num_warps=1 + i) for i in range(1000)]"
    code = TUNED.replace("\n@triton.autotune", f"\n{many}\n\n@triton.autotune", 1)
    verdict = judge.evaluate(job(code))
    assert ended(verdict) == "failed: timeout"
    assert "1000 configurations" in verdict.detail


ASSEMBLER = "tl.inline_asm_elementwise('mov.b32 $0, $1;', '=r,r', [i], dtype=tl.int32, is_pure=True, pack=1)"
ERRORS = {
    "parse": [("def f(:", {"top": "def f(:"}), ("a stray quote", {"top": "x = '"})],
    "import": [
        ("no such module", {"top": "import no_such_module"}),
        ("a wrong name", {"top": "undefined_name"}),
        ("no such part", {"top": "from torch import no_such_part"}),
        ("an exit", {"top": "raise SystemExit(0)"}),
    ],
    "init": [
        ("an error", {"init": "raise ValueError('no')"}),
        ("an exit", {"init": "import sys; sys.exit(0)"}),
    ],
    "run": [
        ("an error", {"forward": "raise ValueError('no')"}),
        ("a wrong call", {"forward": "return run(x)"}),
        ("an exit", {"forward": "import sys; sys.exit(0)"}),
        ("an interrupt", {"forward": "raise KeyboardInterrupt"}),
        ("a generator's exit", {"forward": "raise GeneratorExit"}),
        ("an exception of its own", {"forward": "class E(BaseException): pass\nraise E"}),
    ],
    "unsupported": [
        ("the device's properties", {"forward": "torch.cuda.get_device_properties(0)"}),
        ("a check for CUDA", {"forward": "assert x.is_cuda"}),
        ("memory of a GPU", {"init": "self.buffer = torch.empty(1, device='cuda')"}),
        ("words of the assembler", {"kernel": ASSEMBLER}),
        ("what only the compiler knows", {"kernel": "factor = tl.extra.cuda.libdevice.abs(factor)"}),
        ("a compiled kernel", {"forward": "affine[(1,)](x, x, 1.0, 1, BLOCK=64)._init_handles()"}),
        ("waiting for others", {"kernel": "while tl.load(x, volatile=True) < float('inf'): pass"}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "parts"),
    [pytest.param(phase, p, id=f"{phase}: {name}") for phase, table in ERRORS.items() for name, p in table],
)
def test_errors_are_told_by_phase(judge, phase, parts):
    verdict = judge.evaluate(job(candidate(**parts)))
    assert ended(verdict) == f"failed: {phase}", verdict.detail


def test_what_the_compiler_refuses_fails(judge):
    verdict = judge.evaluate(job(candidate(kernel="tl.static_assert(BLOCK == 7)")))
    assert ended(verdict) in {"failed: compile", "failed: run"}
    assert "AssertionError" in verdict.detail


def test_the_detail_names_message_and_line(judge):
    code = candidate("raise ValueError('seventeen')")
    line = 1 + code.splitlines().index("        raise ValueError('seventeen')")
    verdict = judge.evaluate(job(code))
    assert "ValueError: seventeen" in verdict.detail
    assert f"(line {line})" in verdict.detail


@pytest.mark.parametrize("code", ["", "x = 1", "class ModelNew: pass", "ModelNew = 7"])
def test_code_without_a_model_fails(judge, code):
    assert judge.evaluate(job(code)).status == "failed"


LIBRARY = {
    "the library alone": "return x * self.factor + 1",
    "after a decoy": "run(x, self.factor)\nreturn x * self.factor + 1",
    "by another name": "return torch.add(torch.mul(x, self.factor), 1)",
    "by a module": "return nn.functional.linear(x, torch.eye(x.shape[1]) * self.factor) + 1",
    "for most of it": "y = x * self.factor\nrun(y, 1.0)\nreturn run(y, 1.0)",
    "by numpy": "return torch.from_numpy(x.numpy() * self.factor + 1)",
    "by python": "return torch.tensor([[v * self.factor + 1 for v in row] for row in x.tolist()])",
}


@pytest.mark.parametrize("forward", LIBRARY.values(), ids=LIBRARY)
def test_what_a_library_computes_is_refused(judge, forward):
    verdict = judge.evaluate(job(candidate(forward)))
    assert ended(verdict) == "rejected: library_compute", verdict.detail
    assert verdict.defence


@pytest.mark.parametrize("name", ["the library alone", "by another name"])
def test_without_audits_a_library_may_compute(judge, name):
    assert ended(judge.evaluate(job(candidate(LIBRARY[name]), audits=False))) == "passed"


def test_rules_come_before_any_process(judge):
    verdict = judge.evaluate(job(candidate(top="import os"), rules="strict"))
    assert ended(verdict) == "rejected: output_rules"
    assert verdict.defence == "rule:imports"
    assert [v.rule for v in verdict.violations] == ["imports"]
    assert verdict.guarantees.sandbox == ()
    assert verdict.output is None


def test_lenient_rules_warn_and_go_on(judge):
    verdict = judge.evaluate(job(candidate(top="import math"), rules="lenient"))
    assert ended(verdict) == "passed"
    assert [v.severity for v in verdict.violations] == ["warning"]


def test_what_it_prints_is_kept(judge):
    verdict = judge.evaluate(job(candidate(top="print('hello', flush=True)")))
    assert (verdict.status, verdict.output) == ("passed", "hello\n")


def test_long_code_arrives_whole(judge):
    padding = "\n".join(f"v{i} = '{'é漢🙂' * 20}'" for i in range(1800))
    verdict = judge.evaluate(job(candidate(top=padding + "\nassert v1799 == v0 and len(v0) == 60")))
    assert ended(verdict) == "passed", verdict.detail


def test_the_life_of_a_runner_is_bounded_as_a_whole(judge):
    code = candidate("import time\ntime.sleep(0.4)\nreturn run(x, self.factor)")
    verdict = judge.evaluate(job(code, limits=LIMITS.model_copy(update={"seconds": 3})))
    assert ended(verdict) == "failed: timeout"
    assert "3 s for everything" in verdict.detail
