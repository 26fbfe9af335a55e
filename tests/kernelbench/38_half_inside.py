import torch
import torch.nn as nn


class Model(nn.Module):
    """The reference itself computes in half precision."""

    def forward(self, x):
        return (x.half() * 2).float()


rows = 128
columns = 256


def get_inputs():
    return [torch.randn(rows, columns)]


def get_init_inputs():
    return []
