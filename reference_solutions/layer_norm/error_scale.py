"""What an element's error is measured against: |weight| times the row's condition, plus |bias|.

A mean in single precision is off by its own rounding, which the division by the standard deviation
enlarges: by mean / deviation, taken from the magnitudes. Kernels that take the variance as the
difference of two means lose the square of that.
"""

import torch
import torch.nn as nn


class Scale(nn.Module):
    def __init__(self, columns, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(columns))
        self.bias = nn.Parameter(torch.zeros(columns))
        self.eps = eps

    def forward(self, x):
        deviation = (x.var(dim=-1, keepdim=True, unbiased=False) + self.eps).sqrt()
        return (x + x.mean(dim=-1, keepdim=True)) / deviation * self.weight + self.bias
