"""Rule `library_compute`: the kernels do the work; no operator of a library does, nor is one handed about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.allowed import CONTAINER_METHODS, DTYPES, MODULES, TORCH, TRITON, computes
from eval.rules.candidate import Candidate
from eval.rules.module import Chain
from eval.rules.paths import HARMLESS, tampering
from eval.rules.reach import Phase
from eval.rules.report import violation
from eval.rules.scopes import Binding, builtin_called

RULE = "library_compute"
_INIT_MODULES = frozenset({
    "torch", "torch.nn", "torch.nn.init", "torch.nn.functional", "torch.linalg", "torch.special", "torch.fft",
})  # fmt: skip
_NEVER = frozenset(
    {"torch.compile", "torch.vmap", "torch.func", "torch.jit", "torch.fx", "torch.export", "torch.ops"}
)
_MODULES_OF_THE_LANGUAGE = frozenset({"core", "semantic", "standard", "target_info"})
_NO_FUNCTIONS = _MODULES_OF_THE_LANGUAGE | frozenset({
    "random", "extra", "cuda", "hip", "libdevice", "dtype", "tensor", "constexpr", "tuple", "slice",
    "pointer_type", "block_type", "tuple_type", "void", "active", "utils", "tools", "backends", "compiler",
    "tensor_descriptor", "jit_utils", "knobs", "testing", "errors", "autotuner", "interpreter", "gluon",
})  # fmt: skip
_SHORT_TYPE = re.compile(r"p?[a-z]{1,5}[0-9]\w*")
"""``int1``, ``float8e4nv`` and the like."""
_UNUSED = " (this code is never called: remove it)"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each operator outside the allow-list."""
    asked = _asked_for(candidate)
    for chain in candidate.module.chains:
        if chain.scope.kind != "kernel" and chain.node not in asked:
            name = foreign_path(chain.path) if chain.path is not None else _method(candidate, chain)
            if name is not None:
                yield from _judged(chain, name, candidate.reach.phase(chain.scope))


def _asked_for(candidate: Candidate) -> set[ast.expr]:
    """Return the classes that `isinstance` is given: nothing is made of them or called."""
    found: set[ast.expr] = set()
    for call, scope in candidate.module.each(ast.Call):
        if builtin_called(call, scope) == "isinstance" and call.args:
            kinds = call.args[-1]
            found.update(kinds.elts if isinstance(kinds, ast.Tuple) else [kinds])
    return found


def library_calls(candidate: Candidate) -> tuple[str, ...]:
    """Return the functions of torch that running host code names, each once, sorted."""
    chains = candidate.module.chains
    reach = candidate.reach
    found = {
        chain.path for chain in chains if chain.called and chain.path and reach.phase(chain.scope) == "run"
    }
    return tuple(sorted(path for path in found if path.startswith("torch.")))


def _judged(chain: Chain, name: str, phase: Phase) -> Iterator[Violation]:
    if phase == "init" and chain.called and _initialises(chain.path):
        return
    message = (
        f"`{name}` is not allocation, a view or data movement: do this in a @triton.jit kernel"
        if chain.path is None or chain.path.startswith(("torch.", "triton."))
        else f"`{name}` leaves torch and triton: do this in a @triton.jit kernel"
    )
    if phase == "unused":
        yield violation(RULE, chain.node, message + _UNUSED, "warning")
    else:
        yield violation(RULE, chain.node, message)


def foreign_path(path: str) -> str | None:
    """Return the path if host code may not name it and no tampering rule speaks of it."""
    root = path.partition(".")[0]
    if root in {"torch", "triton"}:
        leaf = allowed_leaf(path)
        if leaf is None:
            return None if path in MODULES or tampering(path) is not None else path
        rest = path[len(leaf) + 1 :].split(".") if len(path) > len(leaf) else []
        return path if any(computes(attribute) for attribute in rest) else None
    harmless = root in HARMLESS or ".".join(path.split(".")[:2]) in HARMLESS
    return None if harmless or not root or tampering(path) is not None or path == root else path


def allowed_leaf(path: str) -> str | None:
    """Return the longest part of a path that the allow-list names."""
    parts = path.split(".")
    if parts[:2] == ["triton", "language"]:
        hidden = len(parts) > 3 and parts[2] in _MODULES_OF_THE_LANGUAGE  # noqa: PLR2004 - deeper than tl.NAME
        return None if hidden or tampering(path) is not None else path
    for end in range(len(parts), 1, -1):
        leaf = ".".join(parts[:end])
        if leaf in TORCH or leaf in TRITON:
            return leaf
    return None


def is_function_of_triton(path: str) -> bool:
    """Tell whether a path names a function of Triton's, not a module, a class, a type or a number."""
    leaf = path.rpartition(".")[2]
    if not path.startswith("triton.") or path in MODULES or leaf in _NO_FUNCTIONS or leaf in DTYPES:
        return False
    return leaf[:1].islower() and not _SHORT_TYPE.fullmatch(leaf)


def _initialises(path: str | None) -> bool:
    """Tell whether a call may stand in a constructor: weights are made and holders built there."""
    if path is None:
        return True
    owner = path.rpartition(".")[0]
    return owner in _INIT_MODULES and path not in _NEVER


def _method(candidate: Candidate, chain: Chain) -> str | None:
    known = [position for position, attribute in enumerate(chain.attributes) if computes(attribute)]
    own = candidate.own_attributes(chain) if known else 0
    for position in known:
        if position >= own and not _harmless(candidate, chain, position):
            return f".{chain.attributes[position]}"
    return None


def _harmless(candidate: Candidate, chain: Chain, position: int) -> bool:
    if position > 0:
        return False
    if candidate.is_number_info(chain.base, chain.scope):
        return True
    if chain.attributes[0] not in CONTAINER_METHODS:
        return False
    base = chain.base
    values: list[Binding] = candidate.values_of(base, chain.scope) if isinstance(base, ast.Name) else [base]
    return bool(values) and candidate.once(
        ("containers", id(values)) if isinstance(base, ast.Name) else ("container", base),
        lambda: all(_is_container(value) for value in values),
    )


def _is_container(value: Binding) -> bool:
    if isinstance(value, ast.List | ast.Set | ast.ListComp | ast.SetComp):
        return True
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in {"list", "set"}
    )
