"""Replies that somebody already has: files, folders, JSONL, OpenAI Batch output, KernelBench runs.

Nothing is taken out of a reply here; `import_replies` keeps them in the ledger, the rest only reads.
"""

from harness.inputs.found import LOCAL, Found, Note
from harness.inputs.importing import Imported, Labels, import_replies
from harness.inputs.paths import read_found, read_replies

__all__ = [
    "LOCAL",
    "Found",
    "Imported",
    "Labels",
    "Note",
    "import_replies",
    "read_found",
    "read_replies",
]
