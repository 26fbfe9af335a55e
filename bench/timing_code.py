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
BEHIND_A_SWEEP = """
import importlib.util, sys, torch
from eval.cuda.programs import Programs
path, rows, columns, calls = sys.argv[1], *map(int, sys.argv[2:])
spec = importlib.util.spec_from_file_location("candidate", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model, places = module.ModelNew(1).cuda(), max(1, min(calls, int(1e9 / (rows * columns))))
inputs = [torch.rand(rows, columns, device="cuda") for _ in range(places)]
outputs = [None] * places
properties = torch.cuda.get_device_properties(0)
programs = Programs(properties.multi_processor_count)
other = torch.zeros(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
with torch.no_grad():
    for _ in range(3):
        model(inputs[0])
    for call in range(calls):
        programs.sweep(torch.cuda.current_stream().cuda_stream, other.data_ptr(), other.numel())
        torch.cuda.synchronize()
        torch.cuda.profiler.start()
        outputs[call % places] = model(inputs[call % places])
        torch.cuda.synchronize()
        torch.cuda.profiler.stop()
"""
"""Calls for Nsight Compute, which finds the caches as the judge's sweep of the L2 leaves them, on inputs and
outputs in several places, as those of a turn are."""
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
