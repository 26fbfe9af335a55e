import torch
import torch.nn as nn
import a_package_that_nobody_has


class Model(nn.Module):
    """Imports what is not installed."""

    def forward(self, x):
        return x * 2


size = 64


def get_inputs():
    return [torch.rand(size)]


def get_init_inputs():
    return []
