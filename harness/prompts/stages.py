"""Stages: what an optimisation step may change, read from a Markdown file with TOML front matter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eval.stage.records import ChangeOnlyIf, MetricName, Scope, StageRules
from harness.data import prompts_dir
from harness.errors import UsageError
from harness.files import DataRecord, nearest, parse_toml, read_text, text_hash, validated
from harness.prompts.bullets import check_bullets, without_marks
from harness.prompts.stage_rules import StageRule
from harness.prompts.templates import render_text

FENCE = "+++"
Text = Annotated[str, Field(min_length=1)]
Section = Literal["reference", "code", "metrics"]
Need = Literal["reference", "code", "metrics", "feedback"]
SCOPES: dict[Scope, str] = {
    "parameters": "Keep the same kernels, launched as often, and the same PyTorch operators",
    "kernels": "Kernels may be split or merged; keep the same PyTorch operators",
    "any": "Kernels and PyTorch operators may be merged, replaced or dropped",
}
"""How a bullet says the scope. Kernel bodies are always free."""
RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Acceptance(DataRecord):
    """When a candidate replaces the current code; gains are fractions, 0.01 for 1 %."""

    min_gain: Annotated[float, Field(ge=0, lt=1, strict=True)]
    """The decision is `keep` from this gain on."""
    clear_gain: Annotated[float, Field(ge=0, lt=1, strict=True)]
    """The gain that the prompt names as beyond doubt; nothing is decided by it."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.clear_gain < self.min_gain:
            raise ValueError(f"clear_gain: {self.clear_gain} is less than min_gain, {self.min_gain}")
        return self


class Stage(DataRecord):
    """One optimisation step: what the prompt shows, what it asks for, and the rules it sets."""

    name: str
    title: Text
    focus: Text
    when: Text
    """When the stage applies, one sentence."""
    task: Text
    """The last sentence of the prompt."""
    shows: tuple[Section, ...]
    """Sections of the prompt."""
    needs: tuple[Need, ...]
    """What must be there, or there is no prompt."""
    scope: Scope
    metrics: tuple[MetricName, ...] = ()
    """What to collect, in the order in which prompts show it."""
    acceptance: Acceptance | None = None
    rules: dict[RuleId, StageRule] = Field(default_factory=dict)
    body: Text
    """Jinja text in which each bullet is bound to a rule or marked as advice."""
    body_line: int
    """1-based line of the file on which the body starts."""
    path: Path
    text: str
    """The whole file."""

    @property
    def min_gain(self) -> float | None:
        """Gain over the current code from which a candidate is kept; None where there is no current code."""
        return self.acceptance.min_gain if self.acceptance else None

    def as_rules(self, metrics: dict[str, dict[str, int | float]] | None = None) -> StageRules:
        """Return what the judge checks; `metrics` are those that the prompt shows of the current code."""
        return StageRules(
            stage=self.name,
            scope=self.scope,
            rules=self.rules,
            compares="code" in self.shows,
            metrics=metrics,
        )

    def render_body(self) -> str:
        """Return the body as the prompt shows it, all numbers from the front matter.

        Raises `UsageError`: an expression in the body fails, with its file and line.
        """
        return render_text(
            without_marks(self.body),
            self.body_line,
            self.path,
            rules=SimpleNamespace(**self.rules),
            acceptance=self.acceptance,
            scope=SCOPES[self.scope],
        )

    @property
    def hash(self) -> str:
        """sha256 of the file's normalised text, hexadecimal."""
        return text_hash(self.text)

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        for need in self.needs:
            if need != "feedback" and need not in self.shows:
                raise ValueError(f"needs: {need} is not in `shows`")
        if ("metrics" in self.shows) != bool(self.metrics):
            raise ValueError("metrics: name the metrics to collect where `shows` has metrics, and only there")
        if self.acceptance and "code" not in self.shows:
            raise ValueError("acceptance: a gain is measured against the current code; `shows` has none")
        return self

    @model_validator(mode="after")
    def _metrics_collected(self) -> Self:
        for name, rule in self.rules.items():
            if isinstance(rule, ChangeOnlyIf) and rule.metric not in self.metrics:
                raise ValueError(f"metrics: {rule.metric} is missing: rule {name} reads it")
        return self


def stage_names() -> tuple[str, ...]:
    """Return the names of the stages that ship with the harness, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.md")))


def load_stage(name: str) -> Stage:
    """Read a stage by its name, or by the path of its file.

    Raises `UsageError`: no such stage, or its file does not hold what it must.
    """
    if name.endswith(".md"):
        return read_stage(Path(name))
    if name not in stage_names():
        raise UsageError(f"unknown stage {name!r}{nearest(name, stage_names())}")
    return read_stage(_folder() / f"{name}.md")


def read_stage(path: Path) -> Stage:
    """Read and check one stage file.

    Raises `UsageError`: front matter or body do not hold what they must.
    """
    text = read_text(path)
    front, body, body_line = _split(text, path)
    stage = validated(
        Stage,
        parse_toml(front, path),
        path,
        name=path.stem,
        body=body,
        body_line=body_line,
        path=path,
        text=text,
    )
    stage.render_body()
    check_bullets(stage.body, stage.body_line, path, stage.rules)
    return stage


def _split(text: str, path: Path) -> tuple[str, str, int]:
    """Return front matter, body and the line on which the body starts."""
    lines = text.splitlines()
    if FENCE not in lines[1:] or lines[0] != FENCE:
        raise UsageError(f"{path}: must start with TOML front matter between two lines of {FENCE}")
    end = lines.index(FENCE, 1)
    start = next((number for number in range(end + 1, len(lines)) if lines[number].strip()), len(lines))
    # The empty line in place of the fence keeps the line numbers of TOML errors right.
    return "\n".join(["", *lines[1:end]]), "\n".join(lines[start:]).rstrip(), start + 1


def _folder() -> Path:
    return prompts_dir() / "stages"
