"""What an element's error is measured against: the magnitudes that are added up for it.

SiLU enlarges errors by a factor of 1.1 at most.
"""

import torch.nn as nn
import torch.nn.functional as F


class Scale(nn.Module):
    def forward(self, x, weight, bias):
        taps = weight.shape[-1]
        return F.conv1d(F.pad(x, (taps - 1, 0)), weight, bias, groups=weight.shape[0])
