"""What an element's error is measured against: the sum of the magnitudes up to and including its own.

The element itself is counted, so that a kernel which takes an inclusive scan and subtracts the
element is held to what such arithmetic can give.
"""

import torch
import torch.nn as nn


class Scale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        tail = torch.zeros_like(x.select(self.dim, 0).unsqueeze(self.dim))
        return torch.cumsum(torch.cat((x, tail), dim=self.dim)[: max(x.shape[0] - (self.dim % x.dim() != 0), 0)], dim=self.dim)
