import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Sum of the rows of each of eight segments: ids name the segment of a row, in any order.
    """

    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    def forward(self, x, ids):
        return x.new_zeros(self.segments, x.shape[1]).index_add(0, ids, x)


rows = 262144
columns = 2048
segments = 8


def get_inputs():
    return [torch.rand(rows, columns), torch.randint(0, segments, (rows,))]


def get_init_inputs():
    return [segments]
