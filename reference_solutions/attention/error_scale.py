"""What an element's error is measured against: the average of the magnitudes of the values, as weighted.

The weights depend on the signs of queries and keys, so this takes the inputs as they are. Weights that
half precision cannot hold vanish, with the largest of values.
"""

import torch.nn as nn
import torch.nn.functional as F


class Scale(nn.Module):
    signed = True

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, q, k, v):
        weighted = F.scaled_dot_product_attention(q, k, v.abs(), is_causal=True, scale=self.scale)
        return weighted + 2**-14 * v.abs().amax() if v.numel() else weighted
