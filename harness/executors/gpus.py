"""Which GPUs of this machine judge."""

from __future__ import annotations

from collections.abc import Sequence

from eval.devices import CudaDevice, cuda_devices
from harness.errors import UsageError


def choose_gpus(words: str | None, present: Sequence[CudaDevice] | None = None) -> tuple[CudaDevice, ...]:
    """Return the GPUs that ``0,1`` names by their places among those that are visible here, or `present`.

    None takes all that are called as the first one is: times of one run are compared.

    Raises `UsageError`: there is no such GPU, or those that are named are not of one name.
    """
    present = cuda_devices() if present is None else present
    if words is None:
        return tuple(gpu for gpu in present if gpu.name == present[0].name)
    chosen = _named(words, present)
    names = sorted({gpu.name for gpu in chosen})
    if len(names) > 1:
        listed = ", ".join(f"{gpu.index} is {gpu.name}" for gpu in chosen)
        raise UsageError(f"--gpus: the GPUs must be of one name, so that times can be compared: {listed}")
    return tuple(chosen)


def _named(words: str, present: Sequence[CudaDevice]) -> list[CudaDevice]:
    places = {str(gpu.index): gpu for gpu in present}
    asked = [word.strip() for word in words.split(",") if word.strip()]
    for word in asked:
        if word not in places:
            there = ", ".join(places) or "none"
            raise UsageError(f"--gpus: no GPU {word!r} is visible here; there are: {there}")
    if not asked:
        raise UsageError("--gpus: name at least one GPU, for example --gpus 0,1")
    return [places[word] for word in dict.fromkeys(asked)]
