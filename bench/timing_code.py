"""What `timing.py` measures beside the seed's own candidates, as text."""

SLOWED = """

_Whole = ModelNew


class ModelNew(_Whole):
    def forward(self, x):
        out = super().forward(x)
        super().forward(x[: max(2, int({share} * x.shape[0]))])
        return out
"""
OPERATORS = {
    "relu": "torch.relu(x)",
    "gelu": "torch.nn.functional.gelu(x)",
    "sigmoid": "torch.sigmoid(x)",
    "add": "x + x.roll(1, 0)",
    "softmax": "torch.softmax(x, dim=1)",
    "layer norm": "torch.nn.functional.layer_norm(x, x.shape[1:])",
    "sum": "x.sum(dim=1)",
    "max": "x.amax(dim=1)",
    "cumsum": "torch.cumsum(x, dim=1)",
    "transpose": "x.t().contiguous()",
    "matmul": "x @ x",
    "sort": "torch.sort(x, dim=1).values",
}
OPERATOR = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def forward(self, x):
        return {expression}

def get_inputs():
    return [torch.rand(4096, 4096)]

def get_init_inputs():
    return []
"""
COPY = """
import torch

class ModelNew(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()

    def forward(self, x):
        return x.view(-1)[:-1].clone().view(x.shape[0] - 1, x.shape[1] + 1)
"""
"""A copy in the form of the seed's answer, where its input is square; it moves as many bytes, 0.002 % more at
full size."""
DO_BENCH = """
import importlib.util, json, sys, torch
from triton.testing import do_bench
path, name, rows, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
spec = importlib.util.spec_from_file_location("candidate", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model = getattr(module, name)(1).cuda()
if sys.argv[5] == "compile":
    model = torch.compile(model)
x = torch.rand(rows, columns, device="cuda")
with torch.no_grad():
    print(json.dumps({mode: do_bench(lambda: model(x), return_mode=mode) for mode in ("mean", "median")}))
"""
