import torch
import torch.nn as nn


class Model(nn.Module):
    """Inputs of four dimensions and a reduction over two of them."""

    def forward(self, x):
        return x.mean(dim=(2, 3), keepdim=True)


shape = (8, 16, 64, 32)


def get_inputs():
    return [torch.rand(*shape)]


def get_init_inputs():
    return []
