"""What an element's error is measured against: the product of 1 + |x| / n up to and including its own factor.

Rounding errors of products near one do not cancel: a rate of a few eps makes ties, and what is left of
the product breaks them the same way each time. So they grow with the number of factors.
"""

import torch
import torch.nn as nn


class Scale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        products = torch.cumprod(1 + x / x.shape[self.dim], dim=self.dim)
        done = torch.arange(products.shape[self.dim], dtype=products.dtype, device=products.device)
        along = [1] * products.dim()
        along[self.dim] = -1
        return products.mul_((1 + done / 64).view(along))
