import torch
import torch.nn as nn


class Model(nn.Module):
    """Leaky ReLU with a slope from the constructor."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        return nn.functional.leaky_relu(x, self.slope)


batch_size = 64
features = 4096
slope = 0.01


def get_inputs():
    return [torch.randn(batch_size, features)]


def get_init_inputs():
    return [slope]
