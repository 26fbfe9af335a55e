import torch
import torch.nn as nn


class Model(nn.Module):
    """Rows are added up by an index that has a meaning."""

    def forward(self, x, index):
        return torch.zeros(groups, x.shape[1], device=x.device, dtype=x.dtype).index_add(0, index, x)


rows = 512
columns = 32
groups = 16


def get_inputs():
    return [torch.randn(rows, columns), torch.arange(rows) % groups]


def get_init_inputs():
    return []
