"""Small candidates around one snippet, for tables of what the rules accept and reject."""

from eval.rules import check_code

IMPORTS = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl
"""
KERNEL = """\


@triton.jit
def add_one(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=offs < n) + 1, mask=offs < n)
"""
WRAPPER = """\


def launch(x):
    out = torch.empty_like(x)
    n = x.numel()
    add_one[(triton.cdiv(n, 128),)](x, out, n, BLOCK=128)
    return out
"""
MODEL = """\


class ModelNew(nn.Module):
    def __init__(self, dim=1):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return launch(x)
"""
WHOLE = IMPORTS + KERNEL + WRAPPER + MODEL


def indented(snippet, spaces):
    return "".join(" " * spaces + line + "\n" for line in snippet.split("\n"))


def in_forward(snippet):
    """The snippet before the launch in `forward`; ``x`` is the input."""
    return WHOLE.replace("        return launch(x)\n", indented(snippet, 8) + "        return launch(x)\n")


def in_init(snippet):
    return WHOLE.replace("        self.dim = dim\n", "        self.dim = dim\n" + indented(snippet, 8))


def in_wrapper(snippet):
    """The snippet in the wrapper, behind the launch."""
    return WHOLE.replace("    return out\n", indented(snippet, 4) + "    return out\n")


def in_kernel(snippet):
    start = "    offs = tl.program_id(0) * BLOCK"
    return WHOLE.replace(start, indented(snippet, 4) + start)


def above_kernel(snippet):
    return IMPORTS + "\n\n" + snippet + KERNEL + WRAPPER + MODEL


def among_wrappers(snippet):
    return IMPORTS + KERNEL + WRAPPER + "\n\n" + snippet + "\n" + MODEL


def at_end(snippet):
    return WHOLE + "\n\n" + snippet + "\n"


def errors(code, mode="strict"):
    """Return the rules that the code breaks, after a check that it is Python at all."""
    report = check_code(code, mode=mode)
    assert report.parse_error is None, report.parse_error
    return {found.rule for found in report.errors}


def warnings(code, mode="strict"):
    report = check_code(code, mode=mode)
    return {found.rule for found in report.violations if found.severity == "warning"}
