"""A streamed completion from a server that nobody here wrote, taken all the way to a verdict."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from harness.llm import ModelSpec, collect
from harness.records import Prompt
from harness.store import Store

pytestmark = pytest.mark.slow
SERVE = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
CHAT = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def random_model(folder):
    """Make a tiny Llama with random weights, and a tokenizer of single bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {letter: number for number, letter in enumerate(["<s>", "</s>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=words, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@pytest.fixture
def served(tmp_path):
    pytest.importorskip("transformers", reason="needs transformers[serving]")
    pytest.importorskip("fastapi", reason="needs transformers[serving]")
    random_model(tmp_path / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "serve", str(tmp_path / "tiny"), "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, tmp_path / "log")
        yield f"http://127.0.0.1:{port}/v1", str(tmp_path / "tiny")
    finally:
        server.kill()
        server.wait()


def wait_for(url, server, log):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("streaming", [True, False])
def test_reply_of_a_real_server_becomes_a_verdict(served, tmp_path, streaming):
    url, model = served
    prompt = Prompt(hash="p1", text="make it fast", problem="cumsum_exclusive", stage="s", gpu="4090")
    spec = ModelSpec(
        model=model, base_url=url, max_tokens=24, temperature=0.0, timeout_s=120, stream=streaming
    )
    with Store(tmp_path / "s.db") as store:
        (outcome,) = collect([prompt], spec, range(1), store, store.start_run("test"))
        (again,) = collect([prompt], spec, range(1), store, store.start_run("test"))
    assert (outcome.kind, outcome.stored.error, again.kind) == ("received", None, "kept")
    reply = outcome.stored.reply
    assert (reply.finish_reason, outcome.truncated) == ("length", True)
    assert reply.usage["completion_tokens"] == 24
    assert reply.text
    (tmp_path / "reply.md").write_text(reply.text)
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                "from harness.cli import main; main()",
                "eval",
                str(tmp_path / "reply.md"),
            ),
            *(
                "--problem",
                "cumsum_exclusive",
                "--device",
                "cpu",
                "--json",
                "--store",
                str(tmp_path / "e.db"),
            ),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    (verdict,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, verdict["status"], verdict["phase"]) == (1, "failed", "extract")
