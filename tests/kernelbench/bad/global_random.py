import torch
import torch.nn as nn


class Model(nn.Module):
    """Its answer depends on global random state."""

    def forward(self, x):
        return x + torch.randn_like(x)


size = 64


def get_inputs():
    return [torch.rand(size)]


def get_init_inputs():
    return []
