import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Cumulative sum along one dimension of the elements that a mask selects; the others count as zero.
    """

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x, mask):
        return torch.cumsum(x * mask, dim=self.dim)


batch_size = 32768
input_shape = (32768,)
dim = 1


def get_inputs():
    return [torch.rand(batch_size, *input_shape), torch.randint(0, 2, (batch_size, *input_shape), dtype=torch.bool)]


def get_init_inputs():
    return [dim]
