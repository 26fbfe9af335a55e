import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Softmax along one dimension.
    """

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return torch.softmax(x, dim=self.dim)


shape = (16384, 16384)
dim = 1


def get_inputs():
    return [torch.rand(shape)]


def get_init_inputs():
    return [dim]
