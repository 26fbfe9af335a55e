import torch
import torch.nn as nn


class Model(nn.Module):
    """A recurrent network of torch that begins with a given state."""

    def __init__(self, features, width, layers):
        super().__init__()
        self.gru = nn.GRU(features, width, layers, dropout=0.1)

    def forward(self, x, state):
        return self.gru(x, state)


length = 16
batch_size = 8
features = 32
width = 24
layers = 2


def get_inputs():
    return [torch.randn(length, batch_size, features), torch.zeros(layers, batch_size, width)]


def get_init_inputs():
    return [features, width, layers]
