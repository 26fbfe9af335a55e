"""Judges on a Ray cluster: one actor for each GPU, placed, scaled and replaced by Ray.

The driver alone holds the store; what an actor returns is one verdict. Every node needs the same
version of this package and of torch.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import TypeAdapter

from eval import EVALUATOR_VERSION, Job, JudgeFailedError, Verdict
from eval.client import cuda_device_name
from harness.errors import EnvironmentFailure
from harness.executors.local import LocalSlot
from harness.executors.slot import STRIKES, Slot
from harness.executors.threads import SlotExecutor, to_stderr

_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)
_POLL_SECONDS = 0.5
_MOST_CHARACTERS = 500


class JudgeActor:
    """Lives in a worker process of Ray's, which shows it the one GPU that is its own."""

    def __init__(self, device: str) -> None:
        self._slot = LocalSlot("actor", device)
        self._gpu = cuda_device_name() if device == "cuda" else None

    def about(self) -> str:
        """Bring a judge up, and say what it is as JSON: evaluator version and name of the GPU."""
        self._slot.recover()
        if self._slot.stopped:
            self._slot.strikes = 0
            return json.dumps({"error": "the judge does not come up on its node", "lost": True})
        return json.dumps({"evaluator": EVALUATOR_VERSION, "gpu": self._gpu})

    def evaluate(self, job: str, *ahead: str) -> str:
        """Judge a job, and return ``{"verdict": …}`` or ``{"error": …, "lost": …}`` as JSON.

        `ahead` are jobs that will probably come next.
        """
        one, *others = map(Job.model_validate_json, (job, *ahead))
        try:
            verdict = self._slot.evaluate(one, others)
        except JudgeFailedError as error:
            return json.dumps({"error": str(error), "lost": error.lost})
        return json.dumps({"verdict": verdict.model_dump(mode="json")})


class RaySlot(Slot):
    """The driver's end of an actor; a new one takes its place when its node or its process is lost."""

    def __init__(self, name: str, device: str, ray: Any, gpu_name: str | None) -> None:
        """`gpu_name` is what the GPU must be called, so that times can be compared."""
        super().__init__(name)
        self._ray, self._gpu_name = ray, gpu_name
        resources = {"num_cpus": 1, "num_gpus": 1 if device == "cuda" else 0}
        self._kind = ray.remote(**resources, max_restarts=0)(JudgeActor)
        self._device = device
        self._actor: Any = None

    def _start(self) -> bool:
        if self._actor is None:
            self._bring_up()
        return False

    def _judge(self, job: Job, ahead: Sequence[Job]) -> Verdict:
        self._start()
        answer = self._ask(self._actor.evaluate, *(one.model_dump_json() for one in (job, *ahead)))
        return _VERDICT.validate_python(answer["verdict"])

    def _bring_up(self) -> None:
        self._let_go()
        self._actor = self._kind.remote(self._device)
        try:
            about = self._ask(self._actor.about)
        except JudgeFailedError:
            self._let_go()
            raise
        expected = {"evaluator": EVALUATOR_VERSION, "gpu": self._gpu_name}
        if about != expected:
            self.strikes = STRIKES
            raise JudgeFailedError(f"its node has {about}, where {expected} is needed", lost=True)

    def _ask(self, method: Any, *arguments: str) -> dict[str, Any]:
        """Wait for an actor's answer as long as it takes: it may wait for a node that is still to come."""
        try:
            answer = method.remote(*arguments)
            while not self._ended:
                if self._ray.wait([answer], timeout=_POLL_SECONDS)[0]:
                    said: dict[str, Any] = json.loads(self._ray.get(answer))
                    break
            else:
                raise JudgeFailedError("the judge was closed")
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise JudgeFailedError(
                f"{self.name}: its actor is gone: {_in_a_line(error)}", lost=True
            ) from error
        if "error" in said:
            raise JudgeFailedError(said["error"], lost=said["lost"])
        return said

    def _let_go(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None:
            self._ray.kill(actor)

    def _stop(self) -> None:
        return

    def close(self, *, in_haste: bool) -> None:  # noqa: ARG002 - Ray kills at once
        """End the actor; its judge ends with it."""
        self._let_go()


def _in_a_line(error: Exception) -> str:
    """Return what Ray said; of a long text both ends, since a node's traceback says why in its last line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _MOST_CHARACTERS else f"{said[:100]} … {said[100 - _MOST_CHARACTERS :]}"


class RayExecutor(SlotExecutor):
    """Runs jobs on up to `slots` actors at once; by default as many as the cluster has room for now."""

    def __init__(
        self, address: str, device: str, slots: int | None = None, *, say: Callable[[str], None] = to_stderr,
        pauses_s: Sequence[float] = (2.0, 10.0),
    ) -> None:  # fmt: skip
        """Connect to the cluster at `address`, ``auto`` or ``ray://HOST:PORT``.

        After each of `pauses_s` a cluster that did not take this driver is asked again.

        Raises:
            EnvironmentFailure: Ray is not installed, or no cluster answers there.

        """
        self._ray = _connected(address, say, pauses_s)
        self.device: Literal["cuda", "cpu"] = self._device(device)
        kind = "GPU" if self.device == "cuda" else "CPU"
        number = slots or int(self._ray.cluster_resources().get(kind, 0))
        if not number:
            self._ray.shutdown()
            raise EnvironmentFailure(
                f"the cluster at {address} has no {kind}; say how many will come: --jobs N"
            )
        self.gpu_name: str | None = None
        if self.device == "cuda":
            self.gpu_name = self._asked_gpu_name()
        names = [f"{kind} actor {place}" for place in range(number)]
        super().__init__([RaySlot(name, self.device, self._ray, self.gpu_name) for name in names], say)

    def _device(self, choice: str) -> Literal["cuda", "cpu"]:
        if choice == "auto":
            return "cuda" if self._ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
        return "cuda" if choice == "cuda" else "cpu"

    def _asked_gpu_name(self) -> str | None:
        """Ask the first GPU that is free for its name; the others must have the same."""
        try:
            name: str | None = self._ray.get(self._ray.remote(num_gpus=1)(cuda_device_name).remote())
        except self._ray.exceptions.RayError as error:
            self._ray.shutdown()
            raise EnvironmentFailure(
                f"no GPU of the cluster can be asked for its name: {_in_a_line(error)}; is the same version "
                "of kernel-harness on every node?"
            ) from error
        return name

    def __exit__(self, *reason: Any) -> None:  # noqa: PYI036 - handed on as they come
        super().__exit__(*reason)
        self._ray.shutdown()


def _connected(address: str, say: Callable[[str], None], pauses_s: Sequence[float]) -> Any:
    if find_spec("ray") is None:
        raise EnvironmentFailure("--executor needs Ray: pip install 'kernel-harness[ray]', on every node")
    import ray

    for pause_s in (*pauses_s, None):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            break
        except (ConnectionError, ValueError, ray.exceptions.RayError) as error:
            # The head starts a server for each driver from afar, and a busy one not in time.
            if isinstance(error, ConnectionAbortedError) and pause_s is not None:
                say(f"the Ray cluster at {address!r} took no driver: {_in_a_line(error)}; asked again")
                time.sleep(pause_s)
                continue
            raise EnvironmentFailure(
                f"no Ray cluster answers at {address!r}: {_in_a_line(error)}; docs/cluster.md says how"
            ) from error
    return ray
