"""Who is tried again alone after failing beside another candidate."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.company import may_be_the_company
from eval.judge.faults import failed, incorrect, rejected


def fault(phase, detail):
    return failed(phase, detail).fault


@pytest.mark.parametrize(
    ("phase", "detail"),
    [
        ("timeout", "no answer within 30 s"),
        ("crash", "the process was killed by SIGSEGV"),
        ("memory", "OutOfMemoryError: 8.0 GiB"),
        ("run", "RuntimeError: CUDA error: out of memory"),
        ("run", "RuntimeError: PassManager::run failed (line 103)"),
        ("compile", "RuntimeError: CUDA error: out of memory"),
        ("run", "AcceleratorError: CUDA error: the launch timed out"),
        ("compile", "PTXASError: Internal Triton PTX codegen error"),
        ("compile", "CompilationError: at 3:4: OSError(12, 'Cannot allocate memory')"),
        ("compile", "CompilationError: at 3:4: MemoryError()"),
        ("run", "ValueError: no config left (line 12)"),
        ("run", "UnboundLocalError: y, after an error that the candidate caught (line 9)"),
        ("run", "TypeError: run() missing 1 required positional argument: 'BLOCK' (line 40)"),
        ("crash", None),
    ],
)
def test_what_want_may_cause_is_tried_again(phase, detail):
    assert may_be_the_company(fault(phase, detail))


@pytest.mark.parametrize(
    ("phase", "detail"),
    [
        ("compile", "CompilationError: at 7:11: NameError('BLOCK is not defined') (line 31)"),
        ("compile", "UnsupportedLanguageConstruct: at 2:4: (line 20)"),
        ("compile", "RuntimeError: PassManager::run failed (line 103)"),
        ("import", "SyntaxError: invalid syntax (line 3)"),
        ("import", "AttributeError: module 'triton.language' has no attribute 'cumprod2' (line 9)"),
    ],
)
def test_what_the_text_says_is_not(phase, detail):
    assert not may_be_the_company(fault(phase, detail))


def test_neither_is_a_wrong_answer_nor_a_broken_rule():
    assert not may_be_the_company(incorrect("values", "wrong").fault)
    assert not may_be_the_company(rejected("tampering", "a word too many", "nonce").fault)
    assert not may_be_the_company(None)
