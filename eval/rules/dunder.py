"""Rules `dunder` and `dispatch`: no detours through Python's special names, no classes of tensors."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.paths import tampering
from eval.rules.report import violation
from eval.rules.scopes import Scope, is_builtin, own_definition, path_of

RULE = "dunder"
_READABLE = frozenset(
    {
        "__init__",
        "__version__",
        "__doc__",
        "__post_init__",
        "__annotations__",
        "__len__",
        "__getitem__",
    }
)
_DEFINABLE = frozenset({
    "__init__", "__call__", "__repr__", "__str__", "__len__", "__iter__", "__next__", "__getitem__",
    "__contains__", "__eq__", "__ne__", "__hash__", "__bool__", "__int__", "__index__", "__float__",
    "__post_init__", "__slots__", "__lt__", "__le__", "__gt__", "__ge__", "__all__", "__doc__",
    "__annotations__", "__version__", "__author__",
})  # fmt: skip
_TENSORS = frozenset({"torch.Tensor", "torch.nn.Parameter", "torch.nn.Buffer", "torch.nn.parameter.Parameter",
                      "torch.Size", "torch.dtype", "torch.device"})  # fmt: skip
_TYPE_NAME = ("__class__", "__name__")


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield special names that are read, defined or inherited from."""
    for chain in candidate.module.chains:
        names = [name for name in chain.attributes if _is_dunder(name) and name not in _READABLE]
        if chain.attributes[-2:] == _TYPE_NAME and chain.context == "load":
            names = [name for name in names if name not in _TYPE_NAME]
        elif names == ["__name__"] and chain.context == "load" and isinstance(chain.base, ast.Call):
            names = []
        base = chain.base.id if isinstance(chain.base, ast.Name) else ""
        if _is_dunder(base) and base not in _READABLE and is_builtin(base, chain.scope):
            names.append(base)
        for name in names:
            yield violation(RULE, chain.node, f"`{name}`: do without Python's special names")
    for scope in candidate.module.scopes.values():
        yield from _defined(scope)
    for node, scope in candidate.module.each(ast.ClassDef):
        yield from _class(node, scope)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and len(name) > len("____")


def _defined(scope: Scope) -> Iterator[Violation]:
    for name, bindings in scope.names.items():
        if scope.kind in {"class", "module"} and _is_dunder(name) and name not in _DEFINABLE:
            node = next((binding for binding in bindings if isinstance(binding, ast.AST)), scope.node)
            yield violation(RULE, node, f"`{name}` is defined here: do without Python's special hooks")


def _class(node: ast.ClassDef, scope: Scope) -> Iterator[Violation]:
    for keyword in node.keywords:
        if keyword.arg in {None, "metaclass"}:
            yield violation(RULE, keyword.value, "a metaclass: write plain classes")
    for base in node.bases:
        path = path_of(base, scope)
        if path in _TENSORS or (path is not None and tampering(path) is not None):
            yield violation("dispatch", base, f"a class of `{path}`: return plain tensors, intercept nothing")
        elif path is None and not _plain_base(base, scope):
            yield violation(RULE, base, "the base of this class is computed: name a class")


def _plain_base(base: ast.expr, scope: Scope) -> bool:
    if own_definition(base, scope) is not None:
        return True
    if isinstance(base, ast.Call):
        return path_of(base.func, scope) == "collections.namedtuple"
    if isinstance(base, ast.Name) and is_builtin(base.id, scope):
        kind = getattr(builtins, base.id, None)
        return isinstance(kind, type) and (
            kind is object or issubclass(kind, Exception | tuple | dict | list)
        )
    return False
