"""The launch parameters of every kernel: its autotune configs, or what its launch gives where it has none.

Read from the syntax tree where they are literal; computed ones are None here and come from a dry launch.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from eval.base import Record
from eval.rules.candidate import Candidate
from eval.rules.facts import AUTOTUNE
from eval.rules.scopes import Scope, path_of
from eval.stage.events import Event

Plain = int | float | bool | str | None
OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")
DEFAULTS: dict[str, Plain] = {"num_warps": 4, "num_stages": 3, "num_ctas": 1, "maxnreg": None}
"""What Triton takes for NVIDIA GPUs where a config or a launch says nothing."""
HEURISTICS = "triton.heuristics"
_CONFIG = "triton.Config"
_DOT = "triton.language.dot"


class Settings(Record):
    """One config of a kernel, defaults filled in."""

    values: dict[str, Plain]
    """Meta-parameters and Triton's own options by name."""
    line: int | None = None
    column: int | None = None

    def key(self) -> frozenset[tuple[str, Plain]]:
        """Return what makes two configs the same."""
        return frozenset(self.values.items())

    def blocks(self) -> frozenset[tuple[str, Plain]]:
        """Return the block sizes: meta-parameters that are called a block or a tile."""
        return frozenset((name, value) for name, value in self.values.items() if is_block(name))

    def keeps(self, original: Settings) -> bool:
        """Tell whether this is an original config, perhaps with a parameter that is new."""
        return original.values.items() <= self.values.items()

    def shown(self) -> str:
        """Return the config as messages name it."""
        meta = {name: value for name, value in self.values.items() if name not in OPTIONS}
        options = [name for name in OPTIONS if self.values.get(name) != DEFAULTS[name] or name in OPTIONS[:2]]
        parts = [f"{name}={value}" for name, value in meta.items()]
        return ", ".join([*parts, *(f"{name}={self.values.get(name)}" for name in options)])


class Tuned(Record):
    """One kernel and its configs."""

    name: str
    line: int
    column: int = 0
    autotuned: bool
    dots: bool = False
    """It computes with ``tl.dot``."""
    configs: tuple[Settings, ...] | None = None
    """None where they are computed."""


@lru_cache(maxsize=1024)
def is_block(name: str) -> bool:
    """Tell whether a meta-parameter is a block size by its name."""
    return "BLOCK" in name.upper() or "TILE" in name.upper()


def kernels_of(candidate: Candidate, launches: Iterable[Event] | None) -> dict[str, Tuned]:
    """Return every kernel by name; `launches` are those of `forward`, None where they are not known."""
    known = list(launches) if launches is not None else None
    return {scope.name: _kernel(candidate, scope, known) for scope in candidate.module.kernels.values()}


def _kernel(candidate: Candidate, scope: Scope, launches: list[Event] | None) -> Tuned:
    node = scope.node
    assert isinstance(node, ast.FunctionDef)
    outside = scope.parent or scope
    decorators = [item for item in node.decorator_list if isinstance(item, ast.Call)]
    tuned = next((item for item in decorators if path_of(item.func, outside) == AUTOTUNE), None)
    rebound = len(outside.names.get(scope.name, ())) > 1
    chosen = any(_chooses(item) for item in decorators if path_of(item.func, outside) == HEURISTICS)
    if rebound or chosen or (tuned is not None and _may_differ(tuned, scope, launches)):
        configs = None
    elif tuned is not None:
        configs = _listed(candidate, tuned, outside)
    else:
        configs = _launched(node, launches) if launches is not None else None
    place = tuned if tuned is not None else node
    return Tuned(
        name=scope.name, line=place.lineno, column=place.col_offset, autotuned=tuned is not None,
        dots=_dots(candidate, scope), configs=configs,
    )  # fmt: skip


def _may_differ(tuned: ast.Call, scope: Scope, launches: list[Event] | None) -> bool:
    """Tell whether configs are pruned or made by a function, or a launch gives options beside them."""
    if any(keyword.arg == "prune_configs_by" for keyword in tuned.keywords):
        return True
    mine = [event for event in launches or () if event.name == scope.name]
    return any(name in OPTIONS for event in mine for name, _ in event.options)


def _chooses(heuristics: ast.Call) -> bool:
    """Tell whether heuristics compute block sizes or options, so that neither config nor launch has them."""
    given = [*heuristics.args, *(keyword.value for keyword in heuristics.keywords)]
    if len(given) != 1 or not isinstance(given[0], ast.Dict):
        return True
    names = [key.value if isinstance(key, ast.Constant) else None for key in given[0].keys]
    return any(not isinstance(name, str) or is_block(name) or name in OPTIONS for name in names)


def _dots(candidate: Candidate, kernel: Scope) -> bool:
    """Tell whether a kernel or a helper that it calls computes with ``tl.dot``."""
    seen: set[Scope] = set()
    pending = [kernel]
    while pending:
        scope = pending.pop()
        if scope in seen:
            continue
        seen.add(scope)
        for inner in candidate.module.within(scope):
            for call in candidate.calls_in(inner):
                if path_of(call.func, inner) == _DOT:
                    return True
                helper = candidate.module.kernel_of(call.func, inner)
                pending += [helper] if helper is not None else []
    return False


def _listed(candidate: Candidate, tuned: ast.Call, scope: Scope) -> tuple[Settings, ...] | None:
    named = next((keyword.value for keyword in tuned.keywords if keyword.arg == "configs"), None)
    value = named if named is not None else (tuned.args[0] if tuned.args else None)
    if isinstance(value, ast.Name):
        bound = candidate.values_of(value, scope)
        value = bound[0] if len(bound) == 1 and isinstance(bound[0], ast.expr) else None
    if not isinstance(value, ast.List | ast.Tuple):
        return None
    configs = [_config(candidate, item, scope) for item in value.elts]
    whole = [config for config in configs if config is not None]
    return tuple(whole) if len(whole) == len(configs) else None


def _config(candidate: Candidate, item: ast.expr, scope: Scope) -> Settings | None:
    if not isinstance(item, ast.Call) or path_of(item.func, scope) != _CONFIG:
        return None
    given = dict(zip(("kwargs", *OPTIONS), item.args, strict=False))
    given |= {key.arg: key.value for key in item.keywords if key.arg}
    try:
        values = {
            name: _literal(candidate, given[name], scope) for name in ("kwargs", *OPTIONS) if name in given
        }
        meta = dict(values.pop("kwargs", {}))
        if not meta.keys().isdisjoint(OPTIONS) or any(isinstance(value, bool) for value in values.values()):
            return None  # which of two numbers counts, and what a truth value means, Triton decides
        kwargs = {str(name): _plain(value) for name, value in meta.items()}
        options = {name: _plain(value) for name, value in values.items()}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return Settings(values={**DEFAULTS, **kwargs, **options}, line=item.lineno, column=item.col_offset)


def _literal(candidate: Candidate, node: ast.expr, scope: Scope) -> Any:
    """Return a literal, in which names may stand for literals of the module."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        bound = candidate.values_of(node, scope)
        if len(bound) == 1 and isinstance(bound[0], ast.expr):
            return ast.literal_eval(bound[0])
    if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
        pairs = zip(node.keys, node.values, strict=True)
        return {
            ast.literal_eval(key): _literal(candidate, value, scope)
            for key, value in pairs
            if key is not None
        }
    return ast.literal_eval(node)


def _plain(value: Any) -> Plain:
    if value is None or isinstance(value, int | float | str):
        return value
    raise ValueError(f"{value!r} is no plain value")


def _defaults(node: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a kernel that have a default, each with its text."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args][::-1]
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, value in (*zip(plain, arguments.defaults[::-1], strict=False), *named):
        if value is not None:
            yield argument.arg, ast.unparse(value)


def _written(text: str) -> Plain:
    """Return the literal that a value of host code is; raises `ValueError` where it is none."""
    try:
        with warnings.catch_warnings():
            # Of what is none Python may say that a number in it looks odd.
            warnings.simplefilter("ignore")
            return _plain(ast.literal_eval(text))
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"{text[:40]} is no literal") from error


def _launched(node: ast.FunctionDef, launches: list[Event]) -> tuple[Settings, ...] | None:
    """Return what launches without an autotuner give; None where a block size or an option is computed."""
    constants = {
        argument.arg
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if argument.annotation is not None
        and ast.unparse(argument.annotation).strip("'\"").endswith("constexpr")
    }
    found: dict[frozenset[tuple[str, Plain]], Settings] = {}
    for event in launches:
        if event.name != node.name:
            continue
        values = dict(DEFAULTS)
        given = dict(_defaults(node)) | dict(event.options)
        for name, text in given.items():
            if name not in constants and name not in OPTIONS and not is_block(name):
                continue
            try:
                values[name] = _written(text)
            except ValueError:
                if name in OPTIONS or is_block(name):
                    return None
        settings = Settings(values=values, line=event.line, column=event.column)
        found.setdefault(settings.key(), settings)
    return tuple(found.values())
