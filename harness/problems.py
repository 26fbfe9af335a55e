"""Problems: a folder with ``problem.toml`` and ``reference.py``, or one file in KernelBench's format.

The reference is read as text and never run here. What a file or a folder does not say is made by rule.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eval.records import Case, Problem, Record, SizeProfile
from harness.data import problems_dir
from harness.errors import UsageError
from harness.files import DataRecord, nearest, normalise, parse_toml, read_text, text_hash, validated
from harness.kernelbench import Reference, read_reference, scaled_cases
from harness.kernelbench import variants as made_variants
from harness.kernelbench.text import parsed
from harness.metrics import Metrics, load_metrics

PROBLEM_FILE = "problem.toml"
Dtype = Literal["float16", "bfloat16", "float32", "float64"]
DTYPES: dict[str, Dtype] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp64": "float64"}
"""What `--dtype` takes, and the dtype that is meant."""
_DTYPE_MARK = "@"
_CPU_DTYPES: tuple[Dtype, ...] = ("float32", "float64", "float16")
Positive = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]


class ProblemFolder(Record):
    """A problem and what lies beside it in its folder."""

    path: Path
    title: str
    problem: Problem
    current_code: str | None = None
    """What stages start from."""
    solution: Path | None = None
    """The expert's answer."""
    metrics: dict[str, Metrics] = Field(default_factory=dict)
    """Metrics of the current code by name of the GPU."""
    stale: tuple[str, ...] = ()
    """GPUs whose metrics were taken from an older current code: they are not shown."""

    @property
    def name(self) -> str:
        """The word that commands take."""
        return self.problem.name

    def check_size(self, size: str | None) -> None:
        """Raise `UsageError` where the problem has no size of that name; None is the official one."""
        names = [profile.name for profile in self.problem.sizes]
        if size is not None and size not in names:
            raise UsageError(f"unknown size {size!r} of {self.name}{nearest(size, names)}")


class _Size(DataRecord, SizeProfile):
    memory_gb: Positive | None = None
    dtype: Dtype | None = None


class _Case(DataRecord, Case):
    dtype: Dtype | None = None


class _ProblemFile(DataRecord):
    """What ``problem.toml`` may say."""

    title: str = ""
    sizes: Annotated[tuple[_Size, ...], Field(min_length=1)] = (_Size(name="full"),)
    cases: Annotated[tuple[_Case, ...], Field(min_length=1)] | None = None
    """Made by rule where they are left out; so are the variants, and errors are then measured."""
    variants: tuple[_Case, ...] | None = None
    cpu_dtypes: tuple[Dtype, ...] | None = None
    tolerance: Literal["fixed", "measured"] | None = None
    tf32: bool = False
    min_bytes: dict[str, Positive] = Field(default_factory=dict)
    min_flops: dict[str, Positive] = Field(default_factory=dict)
    error_budget: dict[Dtype, Positive] = Field(default_factory=dict)
    row_overlap: Annotated[int, Field(ge=0)] | None = None
    measured: dict[str, str] = Field(default_factory=dict)
    """Hash of the current code that each metrics file was taken from, by GPU."""

    @model_validator(mode="after")
    def _names_agree(self) -> _ProblemFile:
        for group, names in (("sizes", self.sizes), ("cases and variants", self.said)):
            seen = [entry.name for entry in names]
            for name in seen:
                if seen.count(name) > 1:
                    raise ValueError(f"{group}: the name {name!r} stands twice")
        for field in ("min_bytes", "min_flops"):
            for name in getattr(self, field):
                if name not in (size.name for size in self.sizes):
                    raise ValueError(f"{field}: no size is called {name!r}")
        return self

    @property
    def said(self) -> tuple[_Case, ...]:
        """Cases and variants that stand there."""
        return (*(self.cases or ()), *(self.variants or ()))


def problem_names() -> tuple[str, ...]:
    """Return the names of the problems that ship with the harness, sorted."""
    return tuple(sorted(path.parent.name for path in problems_dir().glob(f"*/{PROBLEM_FILE}")))


def load_problem(name_or_path: str | Path) -> ProblemFolder:
    """Read a problem by its name, or by the path of its folder or file; ``@bf16`` behind it casts it.

    Raises `UsageError`: no such problem, or a file of it does not hold what it must.
    """
    word, mark, dtype = str(name_or_path).rpartition(_DTYPE_MARK)
    if mark and dtype in DTYPES:
        return _cast(load_problem(word), dtype)
    path = Path(name_or_path)
    if path.suffix == ".py" and path.is_file() and not _beside_problem(path):
        return _load_file(path)
    return _load_folder(_folder(name_or_path))


def _beside_problem(path: Path) -> bool:
    return (path.parent / PROBLEM_FILE).is_file()


def _load_folder(folder: Path) -> ProblemFolder:
    path = folder / PROBLEM_FILE
    said = validated(_ProblemFile, parse_toml(read_text(path), path), path)
    text, reference = _reference(folder / "reference.py", said, path)
    code = folder / "current.py"
    solution = folder / "solution.py"
    current_code = read_text(code) if code.is_file() else None
    metrics = _metrics(folder, said, current_code, path)
    fresh = {gpu for gpu in metrics if current_code and said.measured[gpu] == text_hash(current_code)}
    name = folder.resolve().name
    return ProblemFolder(
        path=folder,
        title=said.title or reference.title or name,
        problem=_problem(name, said, text, reference, _error_scale(folder / "error_scale.py")),
        current_code=current_code,
        solution=solution if solution.is_file() else None,
        metrics={gpu: found for gpu, found in metrics.items() if gpu in fresh},
        stale=tuple(gpu for gpu in metrics if gpu not in fresh),
    )


def _load_file(path: Path) -> ProblemFolder:
    """Read one file, with what ``NAME.toml`` beside it says."""
    asked_by = path.with_suffix(".toml")
    table = parse_toml(read_text(asked_by), asked_by) if asked_by.is_file() else {}
    said = validated(_ProblemFile, table, asked_by)
    text, reference = _reference(path, said, asked_by)
    return ProblemFolder(
        path=path,
        title=said.title or reference.title or path.stem,
        problem=_problem(path.stem, said, text, reference, None),
    )


def _folder(name_or_path: str | Path) -> Path:
    known = problems_dir() / name_or_path
    if Path(name_or_path).name == str(name_or_path) and (known / PROBLEM_FILE).is_file():
        return known
    path = Path(name_or_path)
    if (path / PROBLEM_FILE).is_file():
        return path
    if path.exists():
        raise UsageError(
            f"{path}: is no problem: it must be a folder with a {PROBLEM_FILE}, or a .py file in "
            "KernelBench's format; a folder of many goes to --problems"
        )
    raise UsageError(f"unknown problem {str(name_or_path)!r}{nearest(str(name_or_path), problem_names())}")


def _problem(
    name: str, said: _ProblemFile, text: str, reference: Reference, error_scale: str | None
) -> Problem:
    by_rule = said.cases is None
    cases = scaled_cases(reference) if said.cases is None else tuple(map(_case, said.cases))
    if said.variants is not None or not by_rule:
        variants = tuple(map(_case, said.variants or ()))
    else:
        variants = made_variants(reference)
    return _hashed(
        Problem(
            name=name,
            reference=text,
            sizes=tuple(SizeProfile(**size.model_dump()) for size in said.sizes),
            cases=cases,
            variants=variants,
            cpu_dtypes=said.cpu_dtypes or (_CPU_DTYPES if by_rule else ("float32",)),
            min_bytes=said.min_bytes,
            min_flops=said.min_flops,
            error_budget={str(dtype): budget for dtype, budget in said.error_budget.items()},
            error_scale=error_scale,
            tolerance=said.tolerance or ("measured" if by_rule else "fixed"),
            row_overlap=said.row_overlap,
            tf32=said.tf32,
            hash="",
        )
    )


def _case(said: _Case) -> Case:
    return Case(**said.model_dump())


def _hashed(problem: Problem) -> Problem:
    # Defaults are left out, so that a field added later changes no hash.
    meaning = problem.model_dump(exclude={"name", "hash"}, exclude_defaults=True)
    meaning["reference"] = normalise(problem.reference)
    if problem.error_scale is not None:
        meaning["error_scale"] = normalise(problem.error_scale)
    return problem.model_copy(update={"hash": text_hash(json.dumps(meaning, sort_keys=True))})


def _cast(folder: ProblemFolder, word: str) -> ProblemFolder:
    """Return the problem with every floating input and weight in another dtype: a problem of its own."""
    dtype, problem = DTYPES[word], folder.problem
    if dtype == "float32" and not any(half in problem.reference for half in ("float16", "half")):
        return folder
    cast = problem.model_copy(
        update={
            "name": f"{problem.name}{_DTYPE_MARK}{word}",
            "sizes": tuple(size.model_copy(update={"dtype": dtype}) for size in problem.sizes),
            "cases": tuple(case.model_copy(update={"dtype": dtype}) for case in problem.cases),
            "variants": tuple(
                case if case.dtype else case.model_copy(update={"dtype": dtype})
                for case in problem.variants
                if case.dtype != dtype
            ),
            # Least bytes and operations were counted for another dtype.
            "min_bytes": {},
            "min_flops": {},
        }
    )
    return folder.model_copy(update={"problem": _hashed(cast), "metrics": {}, "current_code": None})


def _error_scale(path: Path) -> str | None:
    """Read what errors are measured against; without the file, the element's own magnitude."""
    if not path.is_file():
        return None
    text = read_text(path)
    if "Scale" not in {node.name for node in parsed(text, path).body if isinstance(node, ast.ClassDef)}:
        raise UsageError(f"{path}: defines no class Scale, which is built like Model")
    return text


def _reference(path: Path, said: _ProblemFile, asked_by: Path) -> tuple[str, Reference]:
    text = read_text(path)
    reference = read_reference(text, path)
    constants = _constants(parsed(text, path).body)
    entries: tuple[_Size | _Case, ...] = (*said.sizes, *said.said)
    for entry in entries:
        for name in entry.constants:
            if name not in constants:
                raise UsageError(
                    f"{asked_by}: {entry.name}: constants.{name}: "
                    f"the reference has no such constant{nearest(name, constants)}"
                )
    return text, reference


def _constants(body: list[ast.stmt]) -> list[str]:
    targets = [
        target
        for node in body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _metrics(folder: Path, said: _ProblemFile, code: str | None, asked_by: Path) -> dict[str, Metrics]:
    found = {path.stem: load_metrics(path) for path in sorted((folder / "metrics").glob("*.json"))}
    for gpu in found:
        if gpu not in said.measured:
            raise UsageError(
                f"{asked_by}: measured.{gpu}: missing: the hash of the current code that "
                f"metrics/{gpu}.json was taken from ({text_hash(code) if code else 'there is no current.py'})"
            )
    for gpu in said.measured:
        if gpu not in found:
            raise UsageError(f"{asked_by}: measured.{gpu}: there is no metrics/{gpu}.json")
    return found
