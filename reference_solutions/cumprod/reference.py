import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Compound growth: the cumulative product of 1 + x / n along one dimension of n elements.

    x holds rates per n periods, so that products neither vanish nor overflow, however long a row is.
    """

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return torch.cumprod(1 + x / x.shape[self.dim], dim=self.dim)


batch_size = 32768
input_shape = (32768,)
dim = 1


def get_inputs():
    return [torch.rand(batch_size, *input_shape)]


def get_init_inputs():
    return [dim]
