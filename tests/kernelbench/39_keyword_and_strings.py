import torch
import torch.nn as nn


class Model(nn.Module):
    """A string and a bool among the constructor's arguments."""

    def __init__(self, mode, keep):
        super().__init__()
        self.mode, self.keep = mode, keep
        self.loss = nn.MSELoss(reduction=mode)

    def forward(self, x, y):
        error = self.loss(x, y)
        return error.unsqueeze(0) if self.keep else error


rows = 256
columns = 64
mode = "mean"
keep = True


def get_inputs():
    return [torch.rand(rows, columns), torch.rand(rows, columns)]


def get_init_inputs():
    return [mode, keep]
