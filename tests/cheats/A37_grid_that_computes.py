# cheat: A37 grid that computes
# expect: reject-runtime
# needs: cpu
# how: The function that gives the grid is called where a kernel is launched, not where launches are suppressed. It
# reads the input a few elements at a time, and Python computes the answer.
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def excl_scan_rows(x_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = 0.0
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
        tl.store(o_ptr + row * M + offs, tl.cumsum(v, axis=0) + carry, mask=offs < M)
        carry += tl.sum(v, axis=0)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


def _scan(x, dim):  # the honest path
    d, rows, m, out = _prep(x, dim)
    excl_scan_rows[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
    return out.movedim(-1, d)


def _read(y):  # a few elements at a time
    flat = y.reshape(-1)
    text = ",".join(str(flat[i : i + 64].tolist()).strip("[]") for i in range(0, flat.shape[0], 64))
    return [float(word) for word in text.split(",")] if text else []


def _sums(numbers, width):
    out = []
    for start in range(0, len(numbers), width):
        out.append(total := 0.0)
        for number in numbers[start : start + width]:
            out.append(total := total + number)
    return out


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if d == 0 or x.dim() != 2 or out.numel() == 0:
            return _scan(x, self.dim)
        def grid(meta):
            if x.is_cuda:
                return (1,)
            answer = _sums(_read(rows), m - 1)
            out.copy_(torch.tensor(answer, dtype=x.dtype, device=x.device).view(-1, m))
            return (1,)

        excl_scan_rows[grid](rows, torch.empty_like(out), m - 1, m, BLOCK=128)
        return out
