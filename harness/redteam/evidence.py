"""Changed copies of a candidate that show whether its own kernels compute its answer, and its honest time.

The copies are made from the text, so nothing in the candidate's process can tell them from the original.
"""

from __future__ import annotations

import ast

_HONEST_PATH = "_scan"
"""By custom of the corpus, the function of a cheat that does the work honestly."""


def emptied(code: str) -> str:
    """Return the candidate with the bodies of all its kernels removed: its answers must now be wrong."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_is_jit, node.decorator_list)):
            node.body = [ast.Return()]
    return ast.unparse(ast.fix_missing_locations(tree))


def honest_twin(code: str) -> str | None:
    """Return the candidate reduced to its honest path, or None where it has none.

    Imports, kernels and functions stay; `forward` calls the honest path and does nothing else.
    """
    tree = ast.parse(code)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if _HONEST_PATH not in {node.name for node in functions}:
        return None
    last = max(node.end_lineno or 0 for node in functions if node.name == _HONEST_PATH)
    kept = [node for node in tree.body if node.lineno <= last]
    twin = ast.parse(_TWIN.format(path=_HONEST_PATH))
    return ast.unparse(ast.Module([*kept, *twin.body], []))


_TWIN = """
class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return {path}(x, self.dim)
"""


def _is_jit(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name == "jit"
