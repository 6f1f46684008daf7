"""What vLLM reads for a rollout is what the policy is trained on: token ids and pixels.

No engine runs: TRL's trainer and its vLLM path are the real ones, and what stands for the engine
puts every prompt through vLLM's own multimodal processor before it answers with fixed tokens.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from training_worker import dice

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"
)

from onethinker_eval.errors import DataError, MissingPart, RunError, UsageError  # noqa: E402
from onethinker_eval.harness.models.qwen_inputs import load_processor  # noqa: E402
from onethinker_eval.training import ema_trainer, grpo, recipe  # noqa: E402
from onethinker_eval.training.recipe import Recipe  # noqa: E402
from onethinker_eval.training.repeats import rollout_processor  # noqa: E402
from onethinker_eval.training.rollout_rewards import RolloutRewards  # noqa: E402
from onethinker_eval.training.slots import video_parts  # noqa: E402
from onethinker_eval.training.vllm_rollouts import (  # noqa: E402
    NativeMedia,
    PictureClient,
    native_prompt,
)

REPLIES = ((40, 41, 42), (43, 44, 45))
FAMILIES = ("spatial_grounding", "temporal_grounding")
FPS = 24000 / 1001
DRAW = np.random.default_rng(0)


def pixels(*shape: int) -> Any:
    return DRAW.integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder() -> str:
    from onethinker_eval.demo.tiny_model import tiny_folder

    return str(tiny_folder())


@pytest.fixture(scope="module")
def processor(folder: str) -> Any:
    return rollout_processor(load_processor(folder))


class Reader:
    """vLLM's front end: what it makes of a prompt before its scheduler."""

    def __init__(self, folder: str) -> None:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        from vllm.config import ModelConfig
        from vllm.multimodal import MULTIMODAL_REGISTRY

        config = ModelConfig(model=folder, dtype="float32", mm_processor_cache_gb=0)
        self._processor = MULTIMODAL_REGISTRY.create_processor(config)

    def __call__(self, prompt: Mapping[str, Any]) -> tuple[list[int], dict[str, Any]]:
        from vllm.multimodal.processing import ProcessorInputs, TimingContext

        if "multi_modal_data" not in prompt:
            return list(prompt["prompt_token_ids"]), {}
        made = self._processor.apply(
            ProcessorInputs(
                prompt=list(prompt["prompt_token_ids"]),
                mm_data_items=self._processor.info.parse_mm_data(prompt["multi_modal_data"]),
                hf_processor_mm_kwargs=prompt.get("mm_processor_kwargs", {}),
            ),
            TimingContext(enabled=False),
        )
        return list(made["prompt_token_ids"]), made["mm_kwargs"].get_data()


@pytest.fixture(scope="module")
def reader(folder: str) -> Reader:
    return Reader(folder)


def patches(tensors: Mapping[str, Any]) -> Any:
    """Return the bytes of all patches that vLLM was given, videos first."""
    names = [name for name in ("pixel_values_videos", "pixel_values") if name in tensors]
    return torch.cat([as_bytes(torch.as_tensor(tensors[name])) for name in names])


def as_bytes(values: Any) -> Any:
    """Return pixel values as the bytes they came from: vLLM scales them on the device only."""
    if values.dtype == torch.uint8:
        return values
    found = (values * 0.5 + 0.5) * 255
    assert (found - found.round()).abs().max() < 1e-3
    return found.round().to(torch.uint8)


Shown = tuple[list[dict[str, Any]], list[Any]]


def clip(frames: int, step: int = 12, height: int = 64) -> Shown:
    return video_parts(pixels(frames, height, 96), range(0, frames * step, step), FPS)


def picture(height: int, width: int) -> Shown:
    return [{"type": "image"}], [pixels(height, width)]


CASES: dict[str, list[Shown]] = {
    "text alone": [],
    "an image": [picture(64, 96)],
    "an image the model resizes": [picture(50, 75)],
    "two images": [picture(64, 96), picture(32, 64)],
    "a video": [clip(8)],
    "an odd number of frames": [clip(5, step=31)],
    "one slot": [clip(2)],
    "a video, an image": [clip(6), picture(64, 64)],
    "an image, a video, an image": [picture(32, 32), clip(4), picture(64, 32)],
    "two videos": [clip(4), clip(6, step=7, height=32)],
}


def policy_row(processor: Any, shown: Sequence[Shown]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a row as TRL hands it to vLLM, and the policy's tensors, made as TRL makes them."""
    from trl.data_utils import prepare_multimodal_messages

    parts = [part for piece, _ in shown for part in piece]
    media = [medium for _, pieces in shown for medium in pieces]
    question = {"type": "text", "text": "When does it start, in <1.5 seconds> or later?"}
    messages = [{"role": "user", "content": [*parts, question]}]
    tokens = processor.apply_chat_template(
        conversation=[prepare_multimodal_messages(messages, images=media)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    row: dict[str, Any] = {"prompt_token_ids": tokens["input_ids"][0]}
    if media:
        row["multi_modal_data"] = {"image": media if len(media) > 1 else media[0]}
    return row, tokens


def as_policy(ids: Sequence[int], processor: Any) -> list[int]:
    return [processor.image_token_id if n == processor.video_token_id else n for n in ids]


@pytest.mark.parametrize("case", CASES)
def test_token_for_token_and_pixel_for_pixel(case: str, processor: Any, reader: Reader) -> None:
    row, policy = policy_row(processor, CASES[case])
    native = native_prompt(row, processor)
    seen, tensors = reader(native)
    assert as_policy(seen, processor) == row["prompt_token_ids"]
    if not CASES[case]:
        assert native.keys() == {"prompt_token_ids"}
        return
    videos = sum(len(media) > 1 or media[0].ndim == 4 for _, media in CASES[case])
    assert len(native["multi_modal_data"].get("video", [])) == videos
    assert processor.video_token_id in seen or not videos
    # vLLM keeps videos and images apart; the policy has them in order
    sizes = policy["image_grid_thw"].prod(dim=1).tolist()
    rows = policy["pixel_values"].split(sizes)
    media = [medium for _, pieces in CASES[case] for medium in pieces]
    order = sorted(range(len(media)), key=lambda at: media[at].ndim == 3)
    assert torch.equal(patches(tensors), as_bytes(torch.cat([rows[at] for at in order])))


@pytest.mark.parametrize("case", ["an image", "two images", "a video, an image"])
def test_missing_media_are_refused(case: str, processor: Any) -> None:
    row, _ = policy_row(processor, CASES[case])
    media = row["multi_modal_data"]["image"]
    fewer = media[1:] if isinstance(media, list) else []
    with pytest.raises(DataError, match=f"is shown {len(fewer)}"):
        native_prompt({**row, "multi_modal_data": {"image": fewer}}, processor)


def test_other_frames_are_noticed(processor: Any, reader: Reader) -> None:
    row, policy = policy_row(processor, CASES["a video"])
    turned = row["multi_modal_data"]["image"][::-1]
    _, tensors = reader(native_prompt({**row, "multi_modal_data": {"image": turned}}, processor))
    assert not torch.equal(patches(tensors), as_bytes(policy["pixel_values"]))


class Engine:
    """Stands for vLLM's `LLM`: reads prompts with vLLM's processor, answers `REPLIES` in turn."""

    def __init__(self, read: Any, **settings: Any) -> None:
        self.read, self.settings = read, settings
        self.calls: list[list[tuple[list[int], dict[str, Any]]]] = []
        self.sampling: Any = None
        self.weights: dict[str, Any] = {}
        self.forgotten: list[str] = []
        forget = SimpleNamespace(
            reset_encoder_cache=lambda: self.forgotten.append("pictures"),
            model_executor=SimpleNamespace(
                driver_worker=SimpleNamespace(model_runner=SimpleNamespace(model=self))
            ),
        )
        self.llm_engine = forget

    def load_weights(self, weights: Sequence[tuple[str, Any]]) -> None:
        self.weights |= {name: value.detach().clone() for name, value in weights}

    def reset_prefix_cache(self) -> bool:
        self.forgotten.append("prefixes")
        return True

    def generate(self, prompts: Sequence[Any], sampling_params: Any, **_: Any) -> list[Any]:
        self.sampling = sampling_params
        self.calls.append([self.read(prompt) for prompt in prompts])
        return [
            SimpleNamespace(prompt_token_ids=ids, outputs=[self._reply(place)])
            for place, (ids, _) in enumerate(self.calls[-1])
        ]

    def _reply(self, place: int) -> Any:
        tokens = list(REPLIES[place % 2])
        # not a number: TRL then corrects nothing
        said = [{token: SimpleNamespace(rank=1, logprob=math.nan)} for token in tokens]
        return SimpleNamespace(token_ids=tokens, logprobs=said)


def made(folder: str, output: Path, **changes: str) -> Recipe:
    values = {
        "model.path": folder,
        "data.sources": f"[{{kind: demo, families: [{', '.join(FAMILIES)}], size: 2}}]",
        "data.max_frames": "4",
        "data.max_length": "2048",
        "data.video_share": "0.5",
        "rollouts.vllm": "colocate",
        "rollouts.group_size": "2",
        "rollouts.max_tokens": "8",
        "rollouts.kl": "0",
        "rollouts.filter_tries": "0",
        "run.output": str(output),
        "run.steps": "2",
        "run.batch": "2",
        "run.micro_batch": "4",
    }
    return recipe.load("demo-grpo", values | {k.replace("__", "."): v for k, v in changes.items()})


def test_the_trainer_and_vllm_see_the_same(
    folder: str, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpo, "check_platform", lambda: None)
    monkeypatch.setattr(
        "trl.generation.vllm_generation.LLM", lambda **settings: Engine(reader, **settings)
    )
    trained: list[tuple[dict[str, Any], dict[str, Any]]] = []
    original = ema_trainer.EmaTrainer._generate_and_score_completions

    def spy(self: Any, inputs: Any) -> Any:
        output = original(self, inputs)
        trained.append((dict(output), {k: v.clone() for k, v in self.model.named_parameters()}))
        return output

    monkeypatch.setattr(ema_trainer.EmaTrainer, "_generate_and_score_completions", spy)
    trainer = grpo.build(made(folder, tmp_path), RolloutRewards("paper", dice(2)))
    engine = trainer.vllm_generation.llm._engine
    weights: list[dict[str, Any]] = []
    sync = trainer.vllm_generation.sync_weights

    def watched() -> None:
        sync()
        weights.append(dict(engine.weights))

    monkeypatch.setattr(trainer.vllm_generation, "sync_weights", watched)
    trainer.train()

    assert len(engine.calls) == len(trained) == len(weights) == 2
    kinds = set()
    for call, (output, policy), brought in zip(engine.calls, trained, weights, strict=True):
        lengths = output["prompt_mask"].sum(dim=1).tolist()
        rows = [ids[-n:].tolist() for ids, n in zip(output["prompt_ids"], lengths, strict=True)]
        assert [as_policy(ids, trainer.processing_class) for ids, _ in call] == rows
        seen = torch.cat([patches(tensors) for _, tensors in call])
        assert torch.equal(seen, as_bytes(output["pixel_values"]))
        kinds |= {name for _, tensors in call for name in tensors if name.startswith("pixel")}
        assert output["completion_ids"].tolist() == [list(ids) for ids in REPLIES] * 2
        # weights as they were when the rollouts were made: TRL's sync is untouched
        assert all(torch.equal(brought[name], value) for name, value in policy.items())
    assert kinds == {"pixel_values", "pixel_values_videos"}
    moved = [not torch.equal(weights[0][name], value) for name, value in weights[1].items()]
    assert any(moved)
    assert engine.forgotten == ["pictures", "prefixes"] * 2
    assert engine.settings["max_model_len"] == 2048
    markers = {trainer.processing_class.image_token_id, trainer.processing_class.video_token_id}
    assert markers < set(engine.sampling.logit_bias)
    assert set(engine.sampling.logit_bias.values()) == {-100.0}


def test_an_engine_that_reads_other_tokens_stops_the_run(processor: Any, reader: Reader) -> None:
    row, _ = policy_row(processor, CASES["two images"])
    # what TRL sends by itself: vLLM puts the patches of each image in once more
    longer, _ = reader(row)
    assert len(longer) > len(row["prompt_token_ids"])
    engine = NativeMedia(Engine(lambda prompt: (longer, {})), processor)
    with pytest.raises(DataError, match="they differ from token"):
        engine.generate([row], sampling_params=None)
    assert NativeMedia(Engine(reader), processor).generate([row], sampling_params=None)


def test_a_server_is_sent_pictures() -> None:
    sent: list[Any] = []
    asked: list[str] = []
    answer = SimpleNamespace(ok=True, status_code=404)
    stock = SimpleNamespace(
        image_features=sent.extend,
        base_url="http://host",
        session=SimpleNamespace(post=lambda address: asked.append(address) or answer),
        reset_prefix_cache=lambda: asked.append("prefixes"),
    )
    client = PictureClient(stock)
    image = pixels(32, 64)
    client.image_features([[image], None])
    assert np.array_equal(np.asarray(sent[0][0]), image)
    assert sent[1] is None
    client.reset_prefix_cache()
    assert asked == ["http://host/reset_encoder_cache", "prefixes"]
    assert client.base_url == "http://host"
    answer.ok = False
    with pytest.raises(RunError, match=r"answered 404 .*trl vllm-serve"):
        client.reset_prefix_cache()


def test_what_cannot_be_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"images only.*rollouts\.vllm to colocate"):
        grpo.build(made(folder, tmp_path, rollouts__vllm="server"))
    if not torch.cuda.is_available() and importlib.util.find_spec("vllm._C") is None:
        with pytest.raises(MissingPart, match=r"no GPU here.*set it to off"):
            grpo.build(made(folder, tmp_path))


def test_trl_calls_what_is_replaced() -> None:
    """A newer TRL that asks its engine otherwise must not pass unnoticed."""
    import inspect

    from trl.generation.vllm_generation import VLLMGeneration

    text = inspect.getsource(VLLMGeneration)
    for call in ("self.llm.generate(", "self.llm.reset_prefix_cache()", "client.image_features("):
        assert call in text
