"""verl's own reward workers and managers, which load the functions from its configuration."""

import asyncio
import warnings

import numpy as np
import pytest
from judge_work import problem_folder
from served_judge import REPLIES, TOKEN, byte_tokenizer, serving

pytest.importorskip("verl", reason="needs verl; see docs/adapters/reward.md")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of verl, ray, torch and their like among themselves
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
    from verl.workers.reward_manager import get_reward_manager_cls

from harness.adapters.frameworks import require
from harness.adapters.verl_reward import compute_scores

pytestmark = pytest.mark.filterwarnings("default")
TEXTS = [text for text, _, _ in REPLIES.values()]
VALUES = [value for _, _, value in REPLIES.values()]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verl")
    problem_folder(folder / "affine")
    with pytest.MonkeyPatch.context() as patch, serving(folder) as made:
        patch.setenv("KERNEL_HARNESS_TOKEN", TOKEN)
        yield made


def batch(tokenizer, texts):
    """Return replies as verl's rollout hands them to its rewards."""
    prompt = tokenizer("Write it.")["input_ids"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    longest = max(map(len, ids))
    pad = tokenizer.pad_token_id
    responses = torch.tensor([one + [pad] * (longest - len(one)) for one in ids])
    prompts = torch.tensor([prompt] * len(ids))
    mask = torch.cat([torch.ones_like(prompts), (responses != pad).long()], dim=1)
    tensors = {
        "prompts": prompts, "responses": responses, "attention_mask": mask,
        "input_ids": torch.cat([prompts, responses], dim=1),
    }  # fmt: skip
    rows = {
        "data_source": np.array(["kernel-harness"] * len(ids), dtype=object),
        "reward_model": np.array([{"ground_truth": "affine"} for _ in ids], dtype=object),
        "extra_info": np.array([{"index": 0} for _ in ids], dtype=object),
    }
    return DataProto.from_dict(tensors=tensors, non_tensors=rows)


def test_the_reward_loop_of_a_trainer(url, tmp_path):
    require("verl", "0.9", "verl")
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    config = OmegaConf.create(
        {
            "actor_rollout_ref": {"model": {"path": str(tmp_path), "tokenizer_path": str(tmp_path)}},
            "reward": {
                "reward_model": {"enable": False},
                "reward_manager": {"source": "register", "name": "naive"},
                "custom_reward_function": {
                    "path": "pkg://harness.adapters.verl_reward", "name": "compute_score",
                    "reward_kwargs": {"judge": url, "timeout_s": 120},
                },
            },
        }
    )  # fmt: skip

    async def scored():
        return await RewardLoopWorker(config).compute_score_batch(batch(tokenizer, TEXTS))

    results = asyncio.run(scored())
    assert [one["reward_score"] for one in results] == VALUES
    kinds = [one["reward_extra_info"]["kind"] for one in results]
    assert kinds == [kind for _, kind, _ in REPLIES.values()]


def test_the_batch_manager(url):
    tokenizer = byte_tokenizer()
    manager = get_reward_manager_cls("batch")(
        tokenizer, 0, compute_scores, judge=url, timeout_s=120, settings={"cheating": -0.5}
    )
    data = batch(tokenizer, TEXTS)
    found = manager(data, return_dict=True)
    expected = [max(value, -0.5) for value in VALUES]
    assert found["reward_tensor"].sum(dim=1).tolist() == pytest.approx(expected)
    assert found["reward_extra_info"]["masked"] == [0.0] * len(TEXTS)
