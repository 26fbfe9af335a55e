import torch
import torch.nn as nn


class Model(nn.Module):
    """Labels of -1 and 1, which are floats with a meaning."""

    def forward(self, x, labels):
        return torch.mean(torch.clamp(1 - x * labels, min=0))


batch_size = 512


def get_inputs():
    return [torch.randn(batch_size), torch.randint(0, 2, (batch_size,)).float() * 2 - 1]


def get_init_inputs():
    return []
