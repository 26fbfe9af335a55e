"""Candidates that answer with something other than the right answer, made from the reference itself."""

from __future__ import annotations

import ast

_CANDIDATE = "ModelNew"
ATTACKS: dict[str, str] = {
    "zeros": "torch.zeros_like(right)",
    "ones": "torch.ones_like(right)",
    "constant": "torch.full_like(right, 0.5)",
    "mean of the answer": "torch.full_like(right, right.double().mean().item())",
    "copy of the input": "fitted(inputs, right)",
    "shuffled answer": "shuffled(right)",
    "previous answer": "kept.setdefault((tuple(right.shape), right.dtype), right).clone()",
    "half-precision rounding": "coarser(right)",
    "partial answer": "cut(right)",
}
"""What each returns in place of `right`, the right answer; half of the precision is half of what it has."""

_TEMPLATE = """
kept = {{}}

def fitted(inputs, right):
    flat = next(x for x in inputs if isinstance(x, torch.Tensor)).reshape(-1).to(right.dtype)
    repeats = -(-right.numel() // max(flat.numel(), 1))
    return flat.repeat(repeats)[: right.numel()].reshape(right.shape)

def shuffled(right):
    order = torch.randperm(right.numel(), device=right.device)
    return right.reshape(-1)[order].reshape(right.shape)

def coarser(right):
    kind = torch.float8_e5m2 if right.element_size() == 2 and right.is_floating_point() else torch.bfloat16
    return right.to(kind).to(right.dtype)

def cut(right):
    short = right.clone().reshape(-1)
    short[short.numel() - max(1, short.numel() // 8) :] = 0
    return short.reshape(right.shape)

def changed(right, inputs):
    if isinstance(right, torch.Tensor):
        return {answer}
    if isinstance(right, dict):
        return {{name: changed(part, inputs) for name, part in right.items()}}
    return type(right)(changed(part, inputs) for part in right)

class ModelNew(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.model = Model(*arguments)

    def forward(self, *inputs):
        return changed(self.model(*inputs), inputs)
"""


def attack(reference: str, name: str) -> str:
    """Return a candidate that computes as the reference does and then answers with an attack of `ATTACKS`."""
    return f"import torch\nimport torch.nn as nn\n{reference}\n{_TEMPLATE.format(answer=ATTACKS[name])}"


def handed_in(reference: str) -> str:
    """Return the reference as a candidate: its `Model` is called `ModelNew`."""
    tree = ast.parse(reference)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "Model":
            node.name = _CANDIDATE
        elif isinstance(node, ast.Name) and node.id == "Model":
            node.id = _CANDIDATE
    return ast.unparse(tree)
