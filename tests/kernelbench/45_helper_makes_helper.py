import torch
import torch.nn as nn


def repeated(count):
    """Return a function that makes so many of one."""

    def make(value):
        return value if isinstance(value, tuple) else (value,) * count

    return make


pair = repeated(2)


class Model(nn.Module):
    """A mean over windows whose size a helper makes from one number."""

    def __init__(self, window):
        super().__init__()
        self.pool = nn.AvgPool2d(pair(window))

    def forward(self, x):
        return self.pool(x)


batch_size = 16
channels = 32
height = 64
width = 64
window = 3


def get_inputs():
    return [torch.randn(batch_size, channels, height, width)]


def get_init_inputs():
    return [window]
