import torch
import torch.nn as nn


class Model(nn.Module):
    """Inputs that are asked for on a GPU: the judge makes them where it judges."""

    def forward(self, x, y):
        return torch.sigmoid(x) * y


rows = 256
columns = 192


def get_inputs():
    x = torch.rand(rows, columns, device="cuda")
    y = torch.rand(rows, columns).cuda()
    return [x, y]


def get_init_inputs():
    return []
