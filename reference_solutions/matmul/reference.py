import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """
    A linear layer and GELU: gelu(x @ weight.T + bias), in bfloat16.
    """

    def forward(self, x, weight, bias):
        return F.gelu(F.linear(x, weight, bias))


m = 8192
n = 8192
k = 8192


def get_inputs():
    return [
        torch.rand(m, k, dtype=torch.bfloat16),
        torch.rand(n, k, dtype=torch.bfloat16),
        torch.rand(n, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return []
