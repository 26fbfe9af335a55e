import torch
import torch.nn as nn


class Model(nn.Module):
    """Largest value of each window."""

    def __init__(self, kernel_size, stride):
        super().__init__()
        self.pool = nn.MaxPool1d(kernel_size, stride=stride)

    def forward(self, x):
        return self.pool(x)


batch_size = 16
channels = 64
length = 1024
kernel_size = 4
stride = 2


def get_inputs():
    return [torch.randn(batch_size, channels, length)]


def get_init_inputs():
    return [kernel_size, stride]
