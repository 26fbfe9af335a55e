import torch
import torch.nn as nn


class Model(nn.Module):
    """Group normalisation: channels and groups hang together."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x):
        return self.norm(x)


batch_size = 8
channels = 64
groups = 8
length = 128


def get_inputs():
    return [torch.randn(batch_size, channels, length)]


def get_init_inputs():
    return [channels, groups]
