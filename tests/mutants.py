"""Mutants: honest candidates, each with one small mistake, made by the same seed in the same order."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutations import Change, Place, changes

from harness.extract import extract

ROOT = Path(__file__).resolve().parent.parent
_SLOW = ("h05_empty_reshape_movedim", "b_6")
"""Judged in 20 s and more in the interpreter."""
_ALIKE = ("a_1", "b_1", "h07_extra_params_stateless", "h09_docstring_fences")
"""The same kernel as another base: what differs is configurations and words."""
_BEYOND = (
    "h29_waits_for_the_block_before", "h30_words_of_python", "h31_python_in_a_docstring", "h32_persistent",
    "h33_row_in_the_mask", "h36_words_of_the_assembler",
)  # fmt: skip
"""What Triton's interpreter runs with the judge's help alone, or not at all: the oracle has no such help."""
_MOSTLY_HARMLESS = (
    "block size", "comparison in the wrapper", "condition", "dimension", "dropped contiguous",
    "dropped movedim", "dropped to", "dropped view", "index type", "other changed", "shape", "slice",
)  # fmt: skip
"""Classes of which most change nothing where the official dimension is scanned; few of each are taken."""
_FEW = 8
_UNTOUCHED = ("annotation", "returns", "num_warps", "num_stages", "axis", "eviction_policy", "cache_modifier",
              "key", "sem", "dtype", "device")  # fmt: skip


class Mutant(NamedTuple):
    base: str
    kind: str
    line: int
    """Of the base, 1-based."""
    code: str

    @property
    def name(self) -> str:
        return f"{self.base}:{self.line} {self.kind}"


def bases() -> dict[str, str]:
    """Code of the honest candidates that mutants are made from, by name."""
    folder = ROOT / "reference_solutions" / "cumsum_exclusive"
    found = {name: (folder / f"{name}.py").read_text() for name in ("solution", "current")}
    for path in sorted((ROOT / "tests" / "honest").glob("h*.py")):
        found[path.stem] = path.read_text()
    replies = ROOT / "tests" / "replies"
    for row in json.loads((replies / "index.json").read_text())["replies"]:
        if "passed" in row["status_cpu"]:
            found[Path(row["file"]).stem] = extract((replies / row["file"]).read_text()).code
    return {name: code for name, code in found.items() if name not in (*_SLOW, *_ALIKE, *_BEYOND)}


def sample(count: int, seed: int = 0, *, of: tuple[str, ...] = (), few_harmless: int = _FEW) -> list[Mutant]:
    """Mutants of every class in turn, until there are `count`; no syntax tree twice.

    `of` names the bases; all, if it is empty.
    """
    rng = random.Random(seed)
    trees = {name: ast.parse(code) for name, code in bases().items() if not of or name in of}
    seen = {ast.unparse(tree) for tree in trees.values()}
    by_kind: dict[str, list[_Site]] = {}
    for name, tree in trees.items():
        for site in _sites(name, tree):
            by_kind.setdefault(site.change.kind, []).append(site)
    queues = {kind: rng.sample(by_kind[kind], len(by_kind[kind])) for kind in sorted(by_kind)}
    picked: list[Mutant] = []
    for turn in range(count):
        for kind, queue in queues.items():
            if turn < few_harmless or kind not in _MOSTLY_HARMLESS:
                mutant = _next(queue, seen)
                picked += [mutant] if mutant else []
        if len(picked) >= count:
            break
    return picked[:count]


class _Site(NamedTuple):
    """A change and where in which tree it goes."""

    base: str
    tree: ast.Module
    holder: ast.AST
    field: str
    index: int | None
    place: Place
    change: Change


def _sites(base: str, tree: ast.Module) -> Iterator[_Site]:
    for holder, field, index, place in _places(tree, kernel=False):
        for change in changes(place):
            yield _Site(base, tree, holder, field, index, place, change)


def _next(queue: list[_Site], seen: set[str]) -> Mutant | None:
    while queue:
        site = queue.pop()
        code = _changed(site)
        if code not in seen and _is_python(code):
            seen.add(code)
            return Mutant(site.base, site.change.kind, getattr(site.place.node, "lineno", 0), code)
    return None


def _changed(site: _Site) -> str:
    """Return the text with the change; equal texts of this kind are equal trees."""
    old, new = getattr(site.holder, site.field), site.change.new
    if site.index is not None:
        taken = 2 if site.change.kind == "reordered" else 1
        block = new if isinstance(new, list) else [new]
        new = [*old[: site.index], *block, *old[site.index + taken :]]
    setattr(site.holder, site.field, new)
    text = ast.unparse(site.tree)
    setattr(site.holder, site.field, old)
    return text


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def _places(
    node: ast.AST, *, kernel: bool, role: str = ""
) -> Iterator[tuple[ast.AST, str, int | None, Place]]:
    """Every node with the field that holds it, but what cannot matter to the answer."""
    for field, value in ast.iter_fields(node):
        name = node.arg if isinstance(node, ast.keyword) and node.arg else field
        if name in _UNTOUCHED or isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_docstring(child):
                continue
            inner = _role(node, name, role)
            follower = value[index + 1] if _is_block(value) and index + 1 < len(value) else None
            place = Place(child, kernel, inner, follower)
            yield node, field, index if isinstance(value, list) else None, place
            yield from _places(child, kernel=kernel or _is_kernel(child), role=inner)


def _role(node: ast.AST, name: str, outer: str) -> str:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "triton.Config":
        return "config"
    if name == "test" and not isinstance(node, ast.While):
        return "condition"
    kept = ("mask", "config", "slice")
    return outer if outer in kept and name not in kept else name


def _is_kernel(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(d) for d in node.decorator_list)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_block(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(child, ast.stmt) for child in value)
