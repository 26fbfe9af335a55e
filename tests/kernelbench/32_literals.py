import torch
import torch.nn as nn


class Model(nn.Module):
    """No constants: all numbers stand in the functions."""

    def __init__(self, inside, outside):
        super().__init__()
        self.mix = nn.Linear(inside, outside)

    def forward(self, x):
        return torch.tanh(self.mix(x))


def get_inputs():
    return [torch.rand(128, 192)]


def get_init_inputs():
    return [192, 48]
