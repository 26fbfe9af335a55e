"""What is to be had: models, prompts, samples; and which of it the store holds already."""

from __future__ import annotations

from collections.abc import Sequence

from eval.records import Record
from harness.llm.job import Job
from harness.llm.spec import ModelSpec
from harness.records import Prompt
from harness.store import Store


class Order(Record):
    """So many samples of each prompt by one model."""

    spec: ModelSpec
    prompts: tuple[Prompt, ...]
    samples: tuple[int, ...]

    @property
    def replies(self) -> int:
        """How many replies it asks for."""
        return len(self.prompts) * len(self.samples)


Missing = dict[str, list[int]]
"""Samples that are not in the store, by the hash of their prompt."""


def found_and_missing(
    orders: Sequence[Order], store: Store | None, *, fresh: bool = False
) -> tuple[list[int], list[tuple[Order, Missing]]]:
    """Return the rows of the replies that are there, and for each order what is not."""
    found: list[int] = []
    missing: list[tuple[Order, Missing]] = []
    for order in orders:
        wanted = {
            order.spec.key(prompt.hash, sample).hash: (prompt.hash, sample)
            for sample in order.samples
            for prompt in order.prompts
        }
        there = {} if fresh or store is None else store.received(list(wanted))
        found += [there[key] for key in wanted if key in there]
        lacking: Missing = {}
        for key, (prompt_hash, sample) in wanted.items():
            if key not in there:
                lacking.setdefault(prompt_hash, []).append(sample)
        if lacking:
            missing.append((order, lacking))
    return found, missing


def jobs_of(order: Order, missing: Missing) -> list[Job]:
    """Return the calls that give the missing samples, the first samples of every prompt first."""
    size = 1 if order.spec.replays or order.spec.api == "responses" else order.spec.n
    jobs = [
        (start, Job(prompt, tuple(missing[prompt.hash][start : start + size])))
        for prompt in {prompt.hash: prompt for prompt in order.prompts}.values()
        for start in range(0, len(missing.get(prompt.hash, ())), size)
    ]
    return [job for _, job in sorted(jobs, key=lambda entry: entry[0])]
