import torch
import torch.nn as nn


class Model(nn.Module):
    """Dropout between two products: judged as if p were 0."""

    def __init__(self, features, hidden, rate):
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.drop = nn.Dropout(rate)
        self.second = nn.Linear(hidden, features)

    def forward(self, x):
        return self.second(self.drop(torch.relu(self.first(x))))


batch_size = 32
features = 128
hidden = 256
rate = 0.2


def get_inputs():
    return [torch.rand(batch_size, features)]


def get_init_inputs():
    return [features, hidden, rate]
