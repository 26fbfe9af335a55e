import torch
import torch.nn as nn


class Model(nn.Module):
    """Product of two batches of matrices."""

    def forward(self, a, b):
        return torch.bmm(a, b)


batch_size = 16
rows = 256
inner = 512
columns = 128


def get_inputs():
    return [torch.randn(batch_size, rows, inner), torch.randn(batch_size, inner, columns)]


def get_init_inputs():
    return []
