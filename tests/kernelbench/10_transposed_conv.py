import torch
import torch.nn as nn


class Model(nn.Module):
    """A transposed convolution with nested tuples as arguments."""

    def __init__(self, channels, shape):
        super().__init__()
        kernel, (stride, padding) = shape
        self.conv = nn.ConvTranspose2d(channels, channels, kernel, stride=stride, padding=padding)

    def forward(self, x):
        return self.conv(x)


batch_size = 4
channels = 16
height = 32
width = 32
shape = ((3, 5), ((2, 1), (1, 2)))


def get_inputs():
    return [torch.rand(batch_size, channels, height, width)]


def get_init_inputs():
    return [channels, shape]
