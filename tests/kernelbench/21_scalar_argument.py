import torch
import torch.nn as nn


class Model(nn.Module):
    """A plain number among the arguments of forward."""

    def forward(self, a, scale, shift):
        return a * scale + shift


rows = 256
columns = 512
scale = 3.5


def get_inputs():
    return [torch.randn(rows, columns), scale, 2]


def get_init_inputs():
    return []
