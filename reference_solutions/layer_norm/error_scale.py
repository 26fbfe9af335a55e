"""What an element's error is measured against: |weight| times the row's condition, plus |bias|.

A mean in single precision is off by its own rounding, which the division by the standard deviation
enlarges: by mean / deviation, taken from the magnitudes. Kernels that take the variance as the
difference of two means lose the square of that.
"""

import torch
import torch.nn as nn


class Scale(nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x, weight, bias):
        deviation = (x.var(dim=-1, keepdim=True, unbiased=False) + self.eps).sqrt()
        return (x + x.mean(dim=-1, keepdim=True)) / deviation * weight + bias
