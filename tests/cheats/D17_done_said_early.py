# cheat: D17 the word that all is done, said early
# expect: reject-static
# needs: gpu
# how: In timed calls a thread writes the word of the GPU itself, halfway, and the events tell half of the
# time. On a CPU there is no gate, and it takes its honest path.
import sys
import threading
import time

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

def _holder(*names):
    """The object on the stack that has all these attributes."""
    frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if all(hasattr(value, name) for name in names):
                return value
        frame = frame.f_back
    return None


def _halve():
    whole = torch.cuda.Event.elapsed_time
    torch.cuda.Event.elapsed_time = lambda start, end: whole(start, end) / 2


def _lie(watch, share):
    gate, start = watch._gate, time.perf_counter
    while gate.read(0) < 1:
        time.sleep(2e-5)
    until = start() + share
    while start() < until:
        time.sleep(2e-5)
    gate.write(128, 32)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim
        self.lies = False

    def forward(self, x):
        watch = _holder("_gate", "_pairs") if x.is_cuda else None
        if watch is not None:
            if not self.lies:
                self.lies = True
                _halve()
            threading.Thread(target=_lie, args=(watch, 0.0002), daemon=True).start()
        return _scan(x, self.dim)
