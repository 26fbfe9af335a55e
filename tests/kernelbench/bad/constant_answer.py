import torch
import torch.nn as nn


class Model(nn.Module):
    """Weak: the answer is the same whatever goes in."""

    def forward(self, x):
        return torch.zeros_like(x).softmax(dim=1)


rows = 64
columns = 128


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
