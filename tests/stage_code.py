"""Small candidates and current codes for the rules of stages."""

from eval.stage.check import check_stage
from eval.stage.records import RULES, StageRules

ORIGINALS = [(128, 4, 1), (256, 4, 2), (512, 8, 2)]
HEAD = "import torch\nimport torch.nn as nn\nimport triton\nimport triton.language as tl\n\n"
BODY = """@triton.jit
def scale_kernel(x_ptr, out_ptr, N, BLOCK_SIZE: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < N), mask=offsets < N)


"""
HOST = """def scale(x):
    padded = torch.cat((torch.zeros_like(x[:1]), x))
    out = torch.empty_like(padded)
    N = padded.numel()
    scale_kernel[GRID](padded, out, NOPTIONS)
    return out


class ModelNew(nn.Module):
    def forward(self, x):
        return scale(x)
"""
GRID = "lambda META: (triton.cdiv(N, META['BLOCK_SIZE']),)"


def tuned(configs, *, body=BODY, host=HOST, grid=GRID, key="BLOCK_SIZE"):
    lines = [
        config
        if isinstance(config, str)
        else f"triton.Config({{'{key}': {config[0]}}}, num_warps={config[1]}, num_stages={config[2]})"
        for config in configs
    ]
    listed = ", ".join(lines)
    mark = f"@triton.autotune(configs=[{listed}], key=['N'])\n"
    return HEAD + mark + body + host.replace("GRID", grid).replace("OPTIONS", "")


def launched(options, **changes):
    host = HOST.replace("GRID", changes.get("grid", "(32,)")).replace("OPTIONS", options)
    return HEAD + changes.get("body", BODY) + host


CURRENT = tuned(ORIGINALS)
PLAIN = launched(", BLOCK_SIZE=128, num_warps=4, num_stages=2")


def rule(check, **fields):
    return RULES[check](check=check, **fields)


def checked(code, *, current=CURRENT, scope="any", ran=None, current_ran=None, **given):
    rules = {
        name: given.pop(name) for name in list(given) if name not in {"metrics", "occupancy", "compares"}
    }
    stage = StageRules(stage="mine", scope=scope, rules=rules, **given)
    return check_stage(code, current, stage, ran=ran, current_ran=current_ran)
