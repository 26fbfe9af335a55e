import torch
import torch.nn as nn


class Model(nn.Module):
    """A parameter of the model itself, beside a module's."""

    def __init__(self, inside, outside, shape, scale):
        super().__init__()
        self.mix = nn.Linear(inside, outside)
        self.bias = nn.Parameter(torch.randn(shape))
        self.scale = scale

    def forward(self, x):
        return torch.relu(self.mix(x) + self.bias) * self.scale


batch_size = 64
inside = 128
outside = 96
shape = (96,)
scale = 2.0


def get_inputs():
    return [torch.rand(batch_size, inside)]


def get_init_inputs():
    return [inside, outside, shape, scale]
