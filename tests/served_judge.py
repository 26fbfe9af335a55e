"""A `serve-judge` in a process of its own, and the replies that tests of adapters have judged."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from judge_work import HONEST, candidate, problem_folder

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"
TOKEN = "correct horse"
FENCED = "Here it is:\n\n```python\n{}\n```\n"
LIBRARY = candidate("return torch.add(torch.mul(x, self.factor), 1)")
REPLIES = {
    "honest": (FENCED.format(HONEST), "passed", 0.3),
    "wrong": (FENCED.format(candidate("return run(x, 7.0)")), "incorrect", 0.0),
    "cheats": (FENCED.format(LIBRARY), "cheating", -1.0),
    "prose": ("I cannot help with that.", "failed", 0.0),
}
"""Reply, and kind and value of its reward on a CPU, by name."""


@contextlib.contextmanager
def serving(place, *words):
    """Yield the URL of a server that knows the tiny problem in `place`."""
    if not (place / "affine").exists():
        problem_folder(place / "affine")
    paths = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, "serve-judge", "--port", "0", "--device", "cpu", "--problem", "affine",
         "--memory-gb", "0.8", *words],
        cwd=place, text=True, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths, "KERNEL_HARNESS_TOKEN": TOKEN},
    )  # fmt: skip
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def byte_tokenizer():
    """Return a tokenizer of single bytes that gives every text back, made here: nothing is downloaded."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {letter: number for number, letter in enumerate([*letters, "<end>", "<pad>"])}
    made = Tokenizer(models.BPE(vocab=words, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", pad_token="<pad>")
