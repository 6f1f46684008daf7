"""Sampling with shared prompts: the tokens of `generate`, its distribution, and rows that end."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from tiny_training import tiny_parts  # noqa: E402

from onethinker_eval.media.frames import FrameRule  # noqa: E402
from onethinker_eval.prompts import load_profile  # noqa: E402
from onethinker_eval.training import sampling  # noqa: E402
from onethinker_eval.training.logprobs import reply_logprobs  # noqa: E402
from onethinker_eval.training.repeats import rollout_processor  # noqa: E402
from onethinker_eval.training.samples import demo_scenes, row  # noqa: E402
from onethinker_eval.training.sampling import first_of_each, sample  # noqa: E402
from onethinker_eval.training.shared_prompts import read_replies  # noqa: E402


def _prompts(families: list[str]) -> tuple[Any, dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Return the model, its inputs for two scenes of each family, and their rows."""
    model, processor = tiny_parts()
    processor = rollout_processor(processor)
    processor.tokenizer.padding_side = "left"
    rule = FrameRule(fps=1.0, max_frames=4)
    rows = [
        row(scenes.samples(item)[0], load_profile())
        for scenes in demo_scenes(families, rule, size=4, asks=1)[:3]
        for item in range(2)
    ]
    texts = [
        processor.apply_chat_template(one["prompt"], tokenize=False, add_generation_prompt=True)
        for one in rows
    ]
    pictures = [one["images"] for one in rows]
    inputs = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
    return model, dict(inputs), rows


def test_the_likeliest_tokens_are_those_of_generate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ROOM", 4)  # so that caches grow and rows leave
    model, inputs, _ = _prompts(["temporal_grounding", "image_qa"])
    assert (inputs["attention_mask"] == 0).any()
    never = [model.config.image_token_id]
    with torch.no_grad():
        whole = model.generate(
            **inputs, max_new_tokens=30, do_sample=False, eos_token_id=None, suppress_tokens=never
        )[:, inputs["input_ids"].shape[1] :].tolist()
    # An untrained model ends when it likes: whatever it says most often is the end here.
    stop = {Counter(token for one in whole for token in one[5:]).most_common(1)[0][0]}
    expected = [
        one[: next((at + 1 for at, token in enumerate(one) if token in stop), 30)] for one in whole
    ]
    assert len({len(one) for one in expected}) > 1
    made = sample(model, inputs, each=2, temperature=0, most=30, stop=stop, never=never)
    assert made == [one for one in expected for _ in range(2)]


def test_what_is_sampled_follows_the_models_chances() -> None:
    model, inputs, _ = _prompts(["spatial_grounding"])
    first = {name: one for name, one in inputs.items() if name in ("input_ids", "attention_mask")}
    first = {name: one[:1] for name, one in first.items()}  # a prompt without its picture
    torch.manual_seed(0)
    made = sample(model, first, each=4000, temperature=0.5, most=1, stop=())
    with torch.no_grad():
        chances = torch.softmax(model(**first).logits[0, -1] / 0.5, dim=-1)
    counts = torch.bincount(torch.tensor(made)[:, 0], minlength=len(chances)) / 4000
    likely = chances.topk(5).indices
    assert counts[likely].tolist() == pytest.approx(chances[likely].tolist(), abs=0.03)


def test_nothing_is_said_that_must_not_be_and_replies_have_a_longest_length() -> None:
    model, inputs, _ = _prompts(["spatial_grounding"])
    free = sample(model, inputs, each=1, temperature=0, most=3, stop=())
    assert [len(one) for one in free] == [3] * len(free)
    never = sorted({one[0] for one in free})
    held = sample(model, inputs, each=1, temperature=0, most=3, stop=(), never=never)
    assert not {token for one in held for token in one} & set(never)


def test_the_first_of_each_group_brings_its_own_pictures() -> None:
    _, inputs, rows = _prompts(["temporal_grounding"])
    shown = [len(one["images"]) for one in rows for _ in range(3)]
    ids = [
        ids[mask.bool()].tolist()
        for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        for _ in range(3)
    ]
    pictures = inputs["image_grid_thw"].split([len(one["images"]) for one in rows])
    patches = inputs["pixel_values"].split([int(one.prod(dim=1).sum()) for one in pictures])
    fields = {
        "image_grid_thw": torch.cat([one for one in pictures for _ in range(3)]),
        "pixel_values": torch.cat([one for one in patches for _ in range(3)]),
        "mm_token_type_ids": [
            kinds[mask.bool()].tolist()
            for kinds, mask in zip(
                inputs["mm_token_type_ids"], inputs["attention_mask"], strict=True
            )
            for _ in range(3)
        ],
    }
    filler = int(inputs["input_ids"][inputs["attention_mask"] == 0][0])
    made = first_of_each(3, ids, shown, fields, filler)
    assert made.keys() == inputs.keys()
    assert all(torch.equal(made[name], inputs[name]) for name in inputs)


def test_replies_that_share_a_prompt_have_the_log_probabilities_of_each_read_whole() -> None:
    model, inputs, rows = _prompts(["temporal_grounding"])
    model = copy.deepcopy(model)
    read_replies(model)
    each, length = 3, 12
    count = len(rows) * each
    torch.manual_seed(0)
    replies = torch.randint(20, 300, (count, length))
    told = torch.ones_like(replies)
    told[0, 5:] = 0  # padded on the right
    images = [len(one["images"]) for one in rows]
    pictures = inputs["image_grid_thw"].split(images)
    patches = inputs["pixel_values"].split([int(own.prod(dim=1).sum()) for own in pictures])
    copied = {
        name: torch.cat([inputs[name].repeat_interleave(each, 0), more], dim=1)
        for name, more in (
            ("input_ids", replies),
            ("attention_mask", told),
            ("mm_token_type_ids", torch.zeros_like(replies)),
        )
    }
    media = {
        "pixel_values": torch.cat([one for one in patches for _ in range(each)]),
        "image_grid_thw": torch.cat([one for one in pictures for _ in range(each)]),
        "num_images": [one for one in images for _ in range(each)],
        "mm_token_type_ids": copied["mm_token_type_ids"],
    }
    weights = torch.randn(count, length)
    calls: list[int] = []
    model.model.language_model.layers[0].register_forward_hook(
        lambda _, given, made: calls.append(made.shape[0] * made.shape[1])
    )

    def read(media: dict[str, Any], each: int) -> tuple[torch.Tensor, ...]:
        model.zero_grad()
        calls.clear()
        found, spread = reply_logprobs(
            model,
            copied["input_ids"],
            copied["attention_mask"],
            length,
            temperature=0.7,
            media=media,
            entropy=True,
            each=each,
        )
        (found * weights).sum().backward()
        return found.detach(), spread, *(one.grad.clone() for one in model.parameters())

    apart, tokens = read(media, 1), sum(calls)
    shared = read(media, each)
    assert sum(calls) < 0.6 * tokens
    for one, other in zip(apart, shared, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)
    # The same words with other pictures are no one prompt.
    media["pixel_values"] = media["pixel_values"].clone()
    media["pixel_values"][len(patches[0])] += 1
    other = read(media, each)
    assert sum(calls) == tokens
    assert not torch.allclose(other[0], shared[0], atol=1e-5)
