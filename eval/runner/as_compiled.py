"""Make Triton's interpreter read a kernel as its compiler does, where Python reads it otherwise.

The interpreter runs a kernel as Python. There `and`, `or`, `not`, `min` and `max` take a block of elements
for one truth value, numbers that a loop counts with or that a kernel is given are no tensors, and a single
truth value that meets a block becomes a number, which is refused as a mask. It also looks for the beginning
of a kernel at the last ``def`` in its text, be it in a docstring.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial, partialmethod, reduce
from typing import Any

import numpy as np

from eval.runner import combining

_ALL, _ANY, _NOT = "_all_of", "_any_of", "_none_of"
_FUNCTION, _COUNTED, _TENSOR = "_function_of", "_counted_of", "_tensor_of"
"""Names by which rewritten kernels call what stands below."""
_ADDED = (
    "interpreter_semantic", "_InterpreterComparison", _ALL, _ANY, _NOT, _FUNCTION, _COUNTED, _TENSOR,
)  # fmt: skip
"""Names that stand in rewritten kernels and not in their text."""


def install(interpreter: Any) -> None:
    """Put this in front of the module `triton.runtime.interpreter`; what it does by itself is left to it."""
    transformer = interpreter.ASTTransformer
    for name, visit in (
        ("visit_BoolOp", _bool_op), ("visit_UnaryOp", _unary), ("visit_Call", _call), ("visit_For", _loop),
        ("visit_FunctionDef", _kernel),
    ):  # fmt: skip
        if not hasattr(transformer, name):
            setattr(transformer, name, visit)
    if not _reads_values(transformer):
        transformer.visit_Assign = _value_first(transformer.visit_Assign)
    semantic = interpreter.interpreter_semantic
    for name, function in (
        (_ALL, _all), (_ANY, _any), (_NOT, _negated), (_FUNCTION, partial(_meant, semantic)),
        (_COUNTED, partial(_counted, semantic)), (_TENSOR, partial(_tensor, semantic)),
    ):  # fmt: skip
        setattr(interpreter, name, function)
    rewriter = interpreter.FunctionRewriter
    rewriter._find_def = _first_line  # noqa: SLF001 - it has no other name
    rewriter._compile_and_exec = partialmethod(_compiled, vars(interpreter))  # noqa: SLF001 - as above
    _keep_truth(interpreter.InterpreterBuilder)
    _look_for_no_overflow(semantic.builder)
    combining.install(interpreter)


def _reads_values(transformer: Any) -> bool:
    """Tell whether what is assigned is rewritten; Triton before 3.9 leaves it as it stands."""
    tree = transformer().visit(ast.parse("a = not b"))
    return not any(isinstance(part, ast.Not) for part in ast.walk(tree))


def _value_first(assign: Callable[..., Any]) -> Callable[..., Any]:
    def visit(transformer: Any, node: ast.Assign) -> Any:
        node.value = transformer.visit(node.value)
        return assign(transformer, node)

    return visit


def _first_line(_rewriter: Any, lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines, 1) if line.strip().startswith("def ")), 0)


def _compiled(rewriter: Any, known: dict[str, Any], tree: ast.Module) -> Any:
    """Make the function of a rewritten kernel; its module's names may not stand for what rewriting added.

    It gets a copy of its module's names: what the candidate binds later is not seen, as on a GPU.
    """
    kernel = rewriter.fn
    names = {**known, **kernel.__globals__, **{name: known[name] for name in _ADDED if name in known}}
    made = dict(rewriter.kwargs)
    exec(compile(tree, rewriter.filename, "exec"), names, made)  # noqa: S102 - a kernel has to run
    return made[kernel.__name__]


def _keep_truth(builder: Any) -> None:
    """Let what a comparison gives be known as truth values, which decides what a block of it holds."""
    compute = builder.binary_op

    def binary_op(one: Any, *arguments: Any) -> Any:
        import triton.language as tl

        found = compute(one, *arguments)
        return type(found)(found.data, tl.int1) if found.data.dtype == np.bool_ else found

    builder.binary_op = binary_op


def _look_for_no_overflow(builder: Any) -> None:
    """Leave out a check of integers that takes half the time, and tells only where kernels are debugged."""
    assert not builder.options.debug
    builder.options = replace(builder.options, sanitize_overflow=False)


def _bool_op(transformer: Any, node: ast.BoolOp) -> ast.expr:
    transformer.generic_visit(node)
    if any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return node  # what a lambda assigns is not seen outside of it
    name = _ALL if isinstance(node.op, ast.And) else _ANY
    found, *rest = node.values
    for value in rest:
        found = _called(name, [found, ast.Lambda(_no_arguments(), value)], node)
    return found


def _unary(transformer: Any, node: ast.UnaryOp) -> ast.expr:
    transformer.generic_visit(node)
    return _called(_NOT, [node.operand], node) if isinstance(node.op, ast.Not) else node


def _call(transformer: Any, node: ast.Call) -> ast.expr:
    transformer.generic_visit(node)
    if isinstance(node.func, ast.Name) and node.func.id in {"min", "max"}:
        node.func = _called(_FUNCTION, [node.func], node.func)
    return node


def _loop(transformer: Any, node: ast.For) -> ast.stmt:
    transformer.generic_visit(node)
    function = node.iter.func if isinstance(node.iter, ast.Call) else None
    counts = "range" in {getattr(function, "id", ""), getattr(function, "attr", "")}
    if counts and isinstance(node.target, ast.Name) and _is_asked(node.target.id, node.body):
        node.iter = _called(_COUNTED, [node.iter], node.iter)
    return node


def _kernel(transformer: Any, node: ast.FunctionDef) -> ast.stmt:
    """Make tensors of the plain numbers among the arguments, where more than their value is asked for."""
    transformer.generic_visit(node)
    first = node.body[0]
    names = [argument.arg for argument in node.args.args if not _is_constant(argument)]
    converted = [
        ast.Assign([ast.Name(name, ast.Store())], _called(_TENSOR, [ast.Name(name, ast.Load())], first))
        for name in names
        if _is_asked(name, node.body)
    ]
    node.body = [*(ast.copy_location(one, first) for one in converted), *node.body]
    return node


def _is_constant(argument: ast.arg) -> bool:
    return argument.annotation is not None and "constexpr" in ast.unparse(argument.annotation)


def _is_asked(name: str, body: list[ast.stmt]) -> bool:
    """Tell whether an attribute of this number is read: Python's do for all else, and are much faster."""
    parts = (inner for statement in body for inner in ast.walk(statement))
    return any(isinstance(part, ast.Attribute) and name in _reckoned_from(part.value) for part in parts)


def _reckoned_from(value: ast.expr) -> set[str]:
    if isinstance(value, ast.BinOp):
        return _reckoned_from(value.left) | _reckoned_from(value.right)
    if isinstance(value, ast.UnaryOp):
        return _reckoned_from(value.operand)
    return {value.id} if isinstance(value, ast.Name) else set()


def _no_arguments() -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def _called(name: str, arguments: list[ast.expr], node: ast.expr | ast.stmt) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), arguments, []), node)


def _is_tensor(value: Any) -> bool:
    import triton.language as tl

    return isinstance(value, tl.tensor)


def _is_block(value: Any) -> bool:
    return _is_tensor(value) and bool(value.type.is_block())


def _is_either_block(first: Any, second: Any) -> bool:
    return _is_block(first) or (_is_tensor(first) and _is_block(second))


def _all(first: Any, rest: Callable[[], Any]) -> Any:
    if not _is_block(first) and not first:
        return first
    second = rest()
    return first.logical_and(second) if _is_either_block(first, second) else second


def _any(first: Any, rest: Callable[[], Any]) -> Any:
    if not _is_block(first) and first:
        return first
    second = rest()
    return first.logical_or(second) if _is_either_block(first, second) else second


def _negated(value: Any) -> Any:
    return value.__not__() if _is_block(value) else not value


def _meant(semantic: Any, function: Any) -> Any:
    """Return what the compiler takes `min` and `max` for; a function of the candidate stays what it is."""
    if function not in (builtins.min, builtins.max):
        return function

    def chosen(*values: Any) -> Any:
        import triton.language as tl

        if not any(map(_is_tensor, values)):
            return function(*values)
        of_two = tl.minimum if function is builtins.min else tl.maximum
        return reduce(lambda one, other: of_two(one, other, _semantic=semantic), values)

    return chosen


def _counted(semantic: Any, steps: Iterable[Any]) -> Iterable[Any]:
    """Yield what a loop counts with as tensors; `tl.static_range` gives constants, and is not asked for."""
    return map(semantic.to_tensor, steps) if isinstance(steps, range) else steps


def _tensor(semantic: Any, value: Any) -> Any:
    return semantic.to_tensor(value, False)
