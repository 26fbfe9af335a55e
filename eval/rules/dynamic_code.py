"""Rule `dynamic_code`: code says what it uses; no computed attribute names, no modules passed about."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.allowed import MODULES
from eval.rules.candidate import Candidate
from eval.rules.module import Chain
from eval.rules.paths import HARMLESS
from eval.rules.report import violation
from eval.rules.scopes import Scope, builtin_called, getattr_parts, is_builtin, path_of

RULE = "dynamic_code"
_MAX_TYPE_ARGUMENTS = 1


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield computed attribute access, classes made while running, and modules used as values."""
    for node, scope in candidate.module.each(ast.Call):
        yield from _builtin(node, builtin_called(node, scope), scope)
    for source, _ in candidate.module.each(ast.ImportFrom):
        if any(alias.name == "*" for alias in source.names):
            yield violation(RULE, source, "`import *` hides what is used: import names")
    for pattern, _ in candidate.module.each(ast.MatchClass):
        if pattern.kwd_attrs:
            yield violation(
                RULE, pattern, "this pattern reads attributes: use isinstance and write attributes out"
            )
    aliases, asked = _aliases(candidate), _asked(candidate)
    for chain in candidate.module.chains:
        if _is_module(chain) and chain.node not in aliases and chain.node not in asked:
            yield violation(
                RULE, chain.node, f"`{chain.path}` is passed on as a value: name what you need from it"
            )
        elif _is_getattr_value(chain):
            yield violation(RULE, chain.node, "this function is passed on as a value: write attributes out")


def _builtin(node: ast.Call, name: str | None, scope: Scope) -> Iterator[Violation]:
    if name == "getattr" and getattr_parts(node) is None:
        language = bool(node.args) and path_of(node.args[0], scope) == "triton.language"
        instead = "keep a dictionary from torch's dtypes to Triton's" if language else "write it out"
        yield violation(RULE, node, f"the attribute's name is computed: {instead}")
    elif name == "type" and len(node.args) + len(node.keywords) > _MAX_TYPE_ARGUMENTS:
        yield violation(RULE, node, "this makes a class while running: write the class out")


def _is_module(chain: Chain) -> bool:
    path = chain.path
    if path is None or chain.context != "load" or chain.scope.kind == "kernel":
        return False
    if path in MODULES:
        return True
    harmless = path in HARMLESS
    return isinstance(chain.base, ast.Name) and not chain.attributes and "." not in path and not harmless


def _is_getattr_value(chain: Chain) -> bool:
    bare = isinstance(chain.base, ast.Name) and chain.base.id in {"getattr", "setattr"} and not chain.called
    return bare and is_builtin(getattr(chain.base, "id", ""), chain.scope)


def _aliases(candidate: Candidate) -> set[ast.AST]:
    """Return the expressions whose whole value one plain name gets: those are followed."""
    found: set[ast.AST] = set()
    for node, _ in candidate.module.each(ast.Assign):
        if all(isinstance(target, ast.Name) for target in node.targets):
            found.add(node.value)
    return found


def _asked(candidate: Candidate) -> set[ast.AST]:
    """Return what `hasattr` with a literal name is asked about."""
    calls = [
        node for node, scope in candidate.module.each(ast.Call) if builtin_called(node, scope) == "hasattr"
    ]
    return {node.args[0] for node in calls if _ends_literally(node)}


def _ends_literally(node: ast.Call) -> bool:
    return len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
