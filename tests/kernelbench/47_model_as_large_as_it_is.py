import torch
import torch.nn as nn


class Model(nn.Module):
    """Channels that only fit together as they are: the model stays, its inputs become small."""

    def __init__(self, channels, parts):
        super().__init__()
        assert channels % 9 == 0
        assert channels // 9 % parts == 0
        self.norm = nn.GroupNorm(parts, channels)

    def forward(self, x):
        return self.norm(x)


batch_size = 16
channels = 9 * 10
parts = 10
length = 2048


def get_inputs():
    return [torch.randn(batch_size, channels, length)]


def get_init_inputs():
    return [channels, parts]
