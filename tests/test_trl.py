"""TRL's own GRPOTrainer, one step of a tiny random model on the CPU, on recorded replies."""

import pytest
from judge_work import problem_folder
from served_judge import REPLIES, TOKEN, byte_tokenizer, serving

pytest.importorskip("trl", reason="needs the extra `trl`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

from datasets import Dataset
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from harness.adapters import RemoteJudges
from harness.adapters.frameworks import require
from harness.adapters.trl_reward import trl_reward

pytestmark = pytest.mark.filterwarnings("default")  # of TRL, torch and their like among themselves
COLUMNS = {"prompt": ["Write it."] * 4, "problem": ["affine"] * 4, "stage": [None] * 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trl")
    problem_folder(folder / "affine")
    return folder


def trained(place, reward, texts):
    """Train one step on recorded replies, and return the log and how far the weights moved."""
    tokenizer = byte_tokenizer()

    def recorded(prompts, trainer):
        ids = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in texts]
        return {
            "prompt_ids": [tokenizer(prompt)["input_ids"] for prompt in prompts],
            "completion_ids": ids,
            "logprobs": [[-1.0] * len(one) for one in ids],
        }

    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=4096,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    before = model.model.embed_tokens.weight.detach().clone()
    settings = GRPOConfig(
        output_dir=str(place / "out"), per_device_train_batch_size=len(texts), num_generations=len(texts),
        max_completion_length=2000, max_steps=1, logging_steps=1, use_cpu=True, report_to="none",
        save_strategy="no", learning_rate=1e-2, bf16=False,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model, reward_funcs=reward, args=settings, train_dataset=Dataset.from_dict(COLUMNS),
        processing_class=tokenizer, rollout_func=recorded,
    )  # fmt: skip
    trainer.train()
    (log, *_) = [entry for entry in trainer.state.log_history if "reward" in entry]
    return log, (model.model.embed_tokens.weight.detach() - before).abs().max().item()


def test_a_step_of_grpo_on_verdicts(place):
    require("trl", "1.0", "trl")
    texts = [text for text, _, _ in REPLIES.values()]
    values = [value for _, _, value in REPLIES.values()]
    with serving(place) as url:
        log, moved = trained(place, trl_reward(RemoteJudges(url, TOKEN), timeout_s=120), texts)
    assert log["rewards/kernel_harness/mean"] == pytest.approx(sum(values) / len(values))
    assert log["reward"] == pytest.approx(sum(values) / len(values))
    assert moved > 0


def test_our_own_failures_do_not_train(place):
    """No judge answers: every reward is None, and the step moves nothing."""
    texts = [text for text, kind, _ in REPLIES.values() if kind in {"passed", "incorrect"}]
    log, moved = trained(place, trl_reward(RemoteJudges("http://127.0.0.1:9/"), timeout_s=0.5), texts)
    assert log["reward"] is None
    assert log["rewards/kernel_harness/mean"] is None
    assert moved == 0
