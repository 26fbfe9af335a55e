import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Exclusive cumulative sum along one dimension: each element is the sum of those before it.

    The slice `[:-1]` drops the last entry of dimension 0, whatever `dim` is. With dim=1 the
    result has one row fewer and one column more than the input.
    """

    def __init__(self, dim):
        super(Model, self).__init__()
        self.dim = dim

    def forward(self, x):
        exclusive_cumsum = torch.cat((torch.zeros_like(x.select(self.dim, 0).unsqueeze(self.dim)), x), dim=self.dim)[:-1]
        return torch.cumsum(exclusive_cumsum, dim=self.dim)


batch_size = 32768
input_shape = (32768,)
dim = 1


def get_inputs():
    return [torch.rand(batch_size, *input_shape)]


def get_init_inputs():
    return [dim]
