import torch
import torch.nn as nn


class Model(nn.Module):
    """A plain two-dimensional convolution."""

    def __init__(self, inside, outside, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel_size, padding=1)

    def forward(self, x):
        return self.conv(x)


batch_size = 4
inside = 3
outside = 32
kernel_size = 3
height = 64
width = 48


def get_inputs():
    return [torch.rand(batch_size, inside, height, width)]


def get_init_inputs():
    return [inside, outside, kernel_size]
