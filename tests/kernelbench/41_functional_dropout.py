import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Dropout as a function, on in training: judged as if p were 0."""

    def __init__(self, features, rate):
        super().__init__()
        self.project = nn.Linear(features, features)
        self.rate = rate

    def forward(self, x):
        return F.dropout(torch.relu(self.project(x)), p=self.rate, training=self.training)


batch_size = 48
features = 96
rate = 0.3


def get_inputs():
    return [torch.randn(batch_size, features)]


def get_init_inputs():
    return [features, rate]
