import torch
import torch.nn as nn


class Model(nn.Module):
    """A depthwise convolution along one dimension."""

    def __init__(self, channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel_size, groups=channels, bias=False)

    def forward(self, x):
        return self.conv(x)


batch_size = 8
channels = 64
kernel_size = 5
length = 512


def get_inputs():
    return [torch.randn(batch_size, channels, length)]


def get_init_inputs():
    return [channels, kernel_size]
