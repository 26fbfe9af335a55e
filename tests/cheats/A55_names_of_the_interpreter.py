# cheat: A55 a class by a name of the interpreter's
# expect: reject-runtime
# needs: cpu
# how: The interpreter rewrites each assignment of a kernel to a call of `interpreter_semantic.to_tensor`, and looks
# that name up among the candidate's own. A class of that name, which nothing else mentions, sums up with numpy.
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def copy_rows(x_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    row = tl.program_id(0).to(tl.int64)
    v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0)
    tl.store(o_ptr + row * M + offs, v, mask=offs < M)


class interpreter_semantic:
    @staticmethod
    def to_tensor(value, check_type=True):
        data = getattr(getattr(value, "handle", None), "data", None)
        if data is not None and data.dtype.kind == "f":
            data[:] = data.cumsum()
        return value


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d = self.dim % x.dim()
        rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
        n = rows.shape[-1]
        m = n if d == 0 else n + 1
        out = torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)
        copy_rows[(out.numel() // m,)](rows, out, n, m, BLOCK=triton.next_power_of_2(m))
        return out.movedim(-1, d)
