"""``kernel-harness problems``: list the problems and check their files; ``problems new`` starts one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.listing import load_all, print_json, print_table
from harness.cli.new_problem import write_problem
from harness.errors import UsageError
from harness.kernelbench import problem_paths
from harness.problems import ProblemFolder, load_problem, problem_names
from harness.prompts import gpu_names

COLUMNS = ("name", "title", "sizes", "cases", "variants", "current code", "solution", "metrics")
NEW = "new"


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROBLEM]... | new NAME",
            help="Names or paths of problem folders; all without. `new NAME` makes a folder to fill in.",
            show_default=False,
        ),
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="Folder of problems: .py files in KernelBench's format, folders.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="With `new`: the folder to make; ./NAME without.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """List the problems, and check their files."""
    if names and names[0] == NEW:
        return _new(names[1:], output)
    if output is not None:
        raise UsageError("--output goes with `problems new NAME`")
    below = [str(path) for path in problem_paths(problems)] if problems else []
    loaded, code = load_all([*(names or []), *below] or problem_names(), load_problem)
    if as_json:
        print_json(_summary(problem) for problem in loaded)
    elif loaded:
        print_table(COLUMNS, [_row(problem) for problem in loaded])
    return max([code, *(_check_metrics(problem) for problem in loaded)])


def _new(words: list[str], output: Path | None) -> int:
    if len(words) != 1:
        raise UsageError("`problems new` takes one name, for example `problems new row_sum`")
    folder = output or Path(words[0])
    write_problem(words[0], folder)
    sys.stderr.write(f"made {folder}; fill it in, then check it with `kernel-harness problems {folder}`\n")
    sys.stdout.write(f"{folder}\n")
    return 0


def _check_metrics(problem: ProblemFolder) -> int:
    """Warn of metrics that no prompt shows; refuse those of a GPU that is not known."""
    code = 0
    for gpu in problem.stale:
        sys.stderr.write(
            f"warning: {problem.name}: metrics/{gpu}.json is of an older current.py, so it is not shown\n"
        )
    for gpu in (*problem.metrics, *problem.stale):
        if gpu not in gpu_names():
            sys.stderr.write(f"error: {problem.name}: metrics/{gpu}.json: no GPU is called {gpu}\n")
            code = UsageError.exit_code
    return code


def _summary(problem: ProblemFolder) -> dict[str, Any]:
    inner = problem.problem
    return {
        "name": problem.name,
        "title": problem.title,
        "path": str(problem.path),
        "sizes": [size.name for size in inner.sizes],
        "cases": [case.name for case in inner.cases],
        "variants": list(dict.fromkeys(case.name for case in inner.variants)),
        "current_code": problem.current_code is not None,
        "solution": problem.solution is not None,
        "metrics": list(problem.metrics),
        "hash": inner.hash,
    }


def _row(problem: ProblemFolder) -> tuple[str, ...]:
    inner = problem.problem
    return (
        problem.name,
        problem.title,
        ", ".join(size.name for size in inner.sizes),
        str(len(inner.cases)),
        str(len({case.name for case in inner.variants})),
        "yes" if problem.current_code else "no",
        "yes" if problem.solution else "no",
        ", ".join(problem.metrics),
    )
