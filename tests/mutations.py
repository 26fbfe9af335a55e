"""Small wrong changes to a kernel and its wrapper, by class: a node of a syntax tree in, replacements out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple


class Place(NamedTuple):
    """Where a node stands."""

    node: ast.AST
    kernel: bool
    """Inside a kernel, not in its wrapper."""
    role: str
    """Name of the parent's field or keyword: ``mask``, ``test``, ``config``, ``grid``…"""
    after: ast.stmt | None = None
    """The statement that follows this one in its block."""


class Change(NamedTuple):
    kind: str
    new: ast.AST | list[ast.stmt]


def changes(place: Place) -> Iterator[Change]:
    """All that can go wrong at a place."""
    for mutate in (_compares, _operators, _calls, _constants, _statements, _loops, _slices, _choices, _names):
        yield from mutate(place)


def expr(text: str, **parts: ast.AST) -> ast.expr:
    """Parse an expression and put nodes in place of names."""
    return _Fill(parts).visit(ast.parse(text, mode="eval").body)


class _Fill(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.AST]):
        self._parts = parts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self._parts.get(node.id, node))


_NEAR = {
    ast.Lt: ("a <= b", "a < b - 1", "a < b + 1", "a > b"),
    ast.LtE: ("a < b", "a > b"),
    ast.Gt: ("a >= b", "a > b + 1", "a < b"),
    ast.GtE: ("a > b", "a >= b + 2", "a < b"),
    ast.Eq: ("a != b",),
    ast.NotEq: ("a == b",),
}


def _compares(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return
    kind = "comparison in the wrapper"
    if place.kernel:
        kind = "loop's end" if place.role == "test" else "mask off by one"
    for text in _NEAR.get(type(node.ops[0]), ()):
        yield Change(kind, expr(text, a=node.left, b=node.comparators[0]))


_SWAPPED = {
    ast.Add: ("a - b",), ast.Sub: ("a + b",), ast.Mult: ("a + b", "a * (b + 1)"), ast.BitAnd: ("a | b",),
    ast.Mod: ("a // b",), ast.FloorDiv: ("a % b", "a // b + 1"), ast.BitOr: ("a & b",),
    ast.RShift: ("a << b",), ast.LShift: ("a >> b",),
}  # fmt: skip


def _operators(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.BinOp):
        return
    where = "arithmetic" if place.kernel else "arithmetic in the wrapper"
    if isinstance(node.op, ast.BitAnd):
        where = "mask dropped"
    elif _mentions(node, ("carry", "acc", "first", "prefix")):
        where = "wrong carry"
    for text in (*_SWAPPED.get(type(node.op), ()), "a", "b"):
        yield Change(where, expr(text, a=node.left, b=node.right))
    if isinstance(node.op, ast.Add) and where == "wrong carry":
        yield Change(where, expr("a + b + b", a=node.left, b=node.right))


def _mentions(node: ast.AST, names: tuple[str, ...]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in (node.left, node.right))


_REPLACED = {
    "tl.cumsum": (
        ("kind of scan", "tl.cumsum(x, axis=0, reverse=True)"),
        ("kind of scan", "x + tl.sum(x, axis=0)"),
        ("kind of scan", "x"),
        ("kind of scan", "tl.cumsum(x, axis=0) - x"),
        ("truncated accumulator", "tl.cumsum(x.to(tl.float16), axis=0)"),
        ("truncated accumulator", "tl.cumsum(x, axis=0).to(tl.float16)"),
        ("truncated accumulator", "tl.cumsum(x.to(tl.bfloat16).to(tl.float32), axis=0)"),
        ("truncated accumulator", "tl.cumsum(x, axis=0).to(tl.bfloat16).to(tl.float32)"),
    ),
    "tl.sum": (
        ("wrong carry", "tl.max(x, axis=0)"),
        ("wrong carry", "tl.sum(x, axis=0) + 1"),
        ("wrong carry", "tl.sum(tl.abs(x), axis=0)"),
        ("wrong carry", "-tl.sum(x, axis=0)"),
        ("truncated accumulator", "tl.sum(x, axis=0).to(tl.float16)"),
        ("truncated accumulator", "tl.sum(x.to(tl.float16), axis=0)"),
        ("truncated accumulator", "tl.sum(x, axis=0).to(tl.bfloat16).to(tl.float32)"),
    ),
    "tl.program_id": (("wrong row", "tl.program_id(x) + 1"), ("wrong row", "tl.program_id(x) * 2"),
                      ("wrong row", "tl.num_programs(x) - 1 - tl.program_id(x) // 2")),
    "tl.arange": (("arithmetic", "tl.arange(0, BLOCK) + 1"),),
}  # fmt: skip
_REPLACED["tl.associative_scan"] = _REPLACED["tl.cumsum"]


def _calls(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func)
    for kind, text in _REPLACED.get(name, ()):
        given = [*node.args, *(word.value for word in node.keywords)]
        block = given[1] if name == "tl.arange" else given[0]
        yield Change(kind, expr(text, x=block, BLOCK=block))
    if name in ("tl.load", "tl.store"):
        yield from _memory(node)
    if isinstance(node.func, ast.Attribute):
        yield from _methods(node, node.func)
    if isinstance(node.func, ast.Subscript):
        yield from _swapped_arguments(node)


def _memory(node: ast.Call) -> Iterator[Change]:
    for word in node.keywords:
        rest = [other for other in node.keywords if other is not word]
        if word.arg == "mask":
            bare = [other for other in rest if other.arg != "other"]
            yield Change("mask dropped", _with(node, keywords=bare))
        if word.arg == "other":
            yield Change("other changed", _with(node, keywords=rest))
            wrong = ast.keyword("other", ast.Constant(1.0))
            yield Change("other changed", _with(node, keywords=[*rest, wrong]))
    for shift in (1, -1):
        shifted = expr(f"p + {shift}", p=node.args[0])
        kind = "shifted by one" if ast.unparse(node.func) == "tl.store" else "wrong offset"
        yield Change(kind, _with(node, args=[shifted, *node.args[1:]]))
    if len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
        yield Change("value dropped", _with(node, args=[node.args[0], expr("v * 0", v=node.args[1])]))
        yield Change("truncated accumulator", _with(
            node, args=[node.args[0], expr("tl.cast(tl.cast(v, tl.float16), tl.float32)", v=node.args[1])]
        ))  # fmt: skip


def _with(node: ast.Call, **fields: list) -> ast.Call:
    return ast.Call(**{"func": node.func, "args": node.args, "keywords": node.keywords} | fields)


def _methods(node: ast.Call, func: ast.Attribute) -> Iterator[Change]:
    if func.attr in ("contiguous", "movedim", "view", "to"):
        yield Change("dropped " + func.attr, copy.deepcopy(func.value))
    if func.attr == "movedim":
        yield Change("dimension", _with(node, args=node.args[::-1]))
        yield Change("dimension", _with(node, args=[ast.Constant(0), ast.Constant(-1)]))
    if func.attr == "stride":
        yield Change("wrong stride", expr("a + 1", a=node))
        yield Change("wrong stride", expr("a - 1", a=node))
        yield Change("wrong stride", expr("s(1)", s=func))


def _swapped_arguments(node: ast.Call) -> Iterator[Change]:
    """Neighbours in a launch: a stride for a length, the input for the output."""
    for first in range(len(node.args) - 1):
        args = list(node.args)
        args[first], args[first + 1] = args[first + 1], args[first]
        yield Change("swapped arguments", _with(node, args=args))


def _constants(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, (bool, str, type(None), type(...))):
        return
    if isinstance(node.value, float):
        yield Change("constant", ast.Constant(node.value + 1.0))
        return
    kind = {"config": "block size", "slice": "slice", "mask": "mask off by one"}.get(place.role, "constant")
    steps = (node.value // 2, node.value * 2, node.value + 1) if kind == "block size" else (
        node.value + 1, node.value - 1)  # fmt: skip
    for value in steps:
        yield Change(kind, ast.Constant(value))


_ADDED = ("v", "t - v", "t + v + v", "t + v + 1", "v * 0", "(t + v).to(tl.float16).to(tl.float32)")


def _statements(place: Place) -> Iterator[Change]:
    node = place.node
    if isinstance(node, ast.AugAssign):
        yield Change("wrong carry", [ast.Pass()])
        target = ast.parse(ast.unparse(node.target), mode="eval").body
        for text in _ADDED:
            kind = "truncated accumulator" if "float16" in text else "wrong carry"
            yield Change(kind, [ast.Assign([node.target], expr(text, t=target, v=node.value), lineno=1)])
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        kind = "dropped barrier" if "barrier" in ast.unparse(node) else "dropped stage"
        if not ast.unparse(node).startswith("super"):
            yield Change(kind, [ast.Pass()])
    movable = (ast.Expr, ast.Assign, ast.AugAssign) if place.kernel else ast.Expr
    if place.after is not None and isinstance(node, movable):
        yield Change("reordered", [place.after, node])


def _loops(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("range", "tl.range"):
        return
    if len(node.args) == 3:
        start, stop, step = node.args
        for kind, parts in {
            "dropped block": ("s", "e - w", "w"), "dropped tail": ("s", "e - 1", "w"),
            "dropped first block": ("s + w", "e", "w"), "every other block": ("s", "e", "w * 2"),
            "first block alone": ("s", "w", "w"), "one block more": ("s", "e + w", "w"),
            "overlapping blocks": ("s", "e", "w // 2"),
        }.items():  # fmt: skip
            args = [expr(part, s=start, e=stop, w=step) for part in parts]
            yield Change("dropped block" if "more" not in kind else "loop's end", _with(node, args=args))
    elif len(node.args) == 2:
        start, stop = node.args
        for text in ("e - 1", "e + 1", "e // 2"):
            yield Change("loop's end", _with(node, args=[start, expr(text, e=stop)]))


def _slices(place: Place) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Subscript) or place.kernel:
        return
    if isinstance(node.slice, ast.Slice):
        for text in ("v", "v[1:]", "v[:-2]", "v[0:]"):
            yield Change("slice", expr(text, v=node.value))
    elif isinstance(node.slice, ast.Tuple) and place.role == "func":
        first, *rest = node.slice.elts
        for text in ("g - 1", "g + 1", "1"):
            grid = ast.Tuple([expr(text, g=first), *rest], ast.Load())
            yield Change("wrong grid", ast.Subscript(node.value, grid, ast.Load()))
        if rest:
            grid = ast.Tuple([first, expr("g - 1", g=rest[0])], ast.Load())
            yield Change("wrong grid", ast.Subscript(node.value, grid, ast.Load()))


def _choices(place: Place) -> Iterator[Change]:
    node = place.node
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "grid":
        for text in ("(g[0] - 1,)", "(g[0] + 1,)", "(1,)"):
            yield Change("wrong grid", [ast.Assign(node.targets, expr(text, g=node.value), lineno=1)])
    if isinstance(node, ast.IfExp):
        yield Change("condition", copy.deepcopy(node.body))
        yield Change("condition", copy.deepcopy(node.orelse))
    if isinstance(node, ast.If):
        yield Change("condition", node.body)
        yield Change("condition", node.orelse or [ast.Pass()])
    if isinstance(node, ast.Tuple) and place.role == "args" and len(node.elts) == 2:
        yield Change("shape", ast.Tuple(node.elts[::-1], ast.Load()))


_CONFUSED = {
    "carry": "0.0", "idx": "offsets", "index": "offsets", "offs": "tl.arange(0, BLOCK)", "start": "0",
    "row": "0", "pid_row": "0", "x_row": "x_ptr", "row_x_ptr": "x_ptr", "out_row": "out_ptr",
    "row_out_ptr": "out_ptr", "stride_x_row": "stride_out_row", "stride_out_row": "stride_x_row",
    "n_scan": "BLOCK", "N": "BLOCK", "N_OUT": "(N_OUT - 1)", "N_SCAN": "(N_SCAN - 1)", "M": "N", "block": "0",
    "NB": "(NB - 1)", "dim": "0", "d": "0", "n": "(n - 1)", "m": "(m - 1)", "n_out": "(n_out - 1)",
    "n_in": "n_out", "live": "(live & (cols > 0))", "tile": "(tile + 1)", "prefix": "0.0", "first": "0.0",
}  # fmt: skip
_TYPES = {"float32": ("float16", "bfloat16"), "float64": ("float32", "float16"), "int64": ("int8", "int16")}


def _names(place: Place) -> Iterator[Change]:
    node = place.node
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _CONFUSED:
        kind = "wrong carry" if node.id == "carry" else "wrong variable"
        yield Change(kind, expr(_CONFUSED[node.id]))
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("tl", "torch"):
        for other in _TYPES.get(node.attr, ()):
            kind = "index type" if node.attr == "int64" else "truncated accumulator"
            yield Change(kind, ast.Attribute(node.value, other, ast.Load()))
