import torch
import torch.nn as nn


class Model(nn.Module):
    """Batch normalisation in training mode: the batch's own statistics, and running ones that change."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.norm(x)


batch_size = 16
channels = 32
height = 64
width = 64


def get_inputs():
    return [torch.rand(batch_size, channels, height, width)]


def get_init_inputs():
    return [channels]
