"""The store: one SQLite file with every prompt, reply, verdict and attempt. It judges nothing."""

from harness.store.attempts import Attempts
from harness.store.calls import Calls, Claim
from harness.store.keys import CallKey, JudgeKey, digest
from harness.store.ledger import Answer, StoredReply
from harness.store.measures import Measures
from harness.store.quarantine import Quarantine
from harness.store.runs import RunInfo, Runs


class Store(Runs, Attempts, Calls, Measures, Quarantine):
    """Every part of one store file: `with Store(path) as store: ...`."""


__all__ = ["Answer", "CallKey", "Claim", "JudgeKey", "RunInfo", "Store", "StoredReply", "digest"]
