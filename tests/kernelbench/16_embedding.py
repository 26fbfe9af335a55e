import torch
import torch.nn as nn


class Model(nn.Module):
    """Whole numbers go in, as indices into a table of weights."""

    def __init__(self, words, width):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, indices):
        return self.table(indices)


batch_size = 32
length = 64
words = 1000
width = 128


def get_inputs():
    return [torch.randint(0, words, (batch_size, length))]


def get_init_inputs():
    return [words, width]
