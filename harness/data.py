"""Where the data files live: beside the packages in a checkout, inside the wheel otherwise."""

from pathlib import Path


def data_root() -> Path:
    """Return the folder that holds ``prompts/`` and ``reference_solutions/``."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def prompts_dir() -> Path:
    """Return the folder of the template, the stages and the GPU files."""
    return data_root() / "prompts"


def problems_dir() -> Path:
    """Return the folder with one folder a problem."""
    return data_root() / "reference_solutions"


def cheats_dir() -> Path:
    """Return the folder of candidates that the judge must refuse."""
    return _corpus("cheats")


def honest_dir() -> Path:
    """Return the folder of honest but unusual candidates."""
    return _corpus("honest")


def _corpus(name: str) -> Path:
    root = data_root()
    return root / name if root.name == "_data" else root / "tests" / name
