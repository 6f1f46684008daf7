"""Lookups of options: where they are in a row, and that a head learns to make them."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from tiny_training import tiny_parts  # noqa: E402
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling  # noqa: E402

from onethinker_eval.errors import UsageError  # noqa: E402
from onethinker_eval.media.frames import FrameRule  # noqa: E402
from onethinker_eval.prompts import load_profile  # noqa: E402
from onethinker_eval.training import lookup  # noqa: E402
from onethinker_eval.training.lookup import lookups, teach_lookup  # noqa: E402
from onethinker_eval.training.samples import demo_scenes, row  # noqa: E402
from onethinker_eval.training.slots import slot_processor  # noqa: E402
from onethinker_eval.training.tiny_tokenizer import option_marks  # noqa: E402

A, B, OTHER_B = 1, 2, 3
MARKS = {A: "A", B: "B", OTHER_B: "B"}


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # A x y, B x z | I look for x z B x z .
        ([A, 7, 8, B, 7, 9, 50, 60, 7, 9, B, 7, 9, 40], [[0, 9, 5]]),
        # the list has letters of another form
        ([A, 7, OTHER_B, 9, 50, 9, B, 9, 40], [[0, 5, 3]]),
        ([50, 60, 7], []),  # no options at all
        ([A, 7, B, 9, 50, 60], []),  # options, but none is looked up: B is the last letter
        ([A, 7, B, 9, 50, 8, B, 9, 40], []),  # what was looked for is not what the option says
    ],
)
def test_a_lookup_is_the_text_looked_for_and_its_place_in_the_list(tokens, expected) -> None:
    assert lookups(torch.tensor([tokens]), MARKS).tolist() == expected


def _questions(count: int) -> list[dict]:
    rule = FrameRule(fps=2.0, max_frames=16)
    scene = next(
        scene
        for scene in demo_scenes(["image_qa"], rule, size=1000, seed=1, objects=())
        if "mmbench" in scene.source.name
    )
    profile = load_profile()
    return [row(one, profile) for at in range(count) for one in scene.samples(at)[:1]]


def test_a_head_learns_to_find_the_option_and_frozen_parts_stay(monkeypatch) -> None:
    monkeypatch.setattr(lookup, "ANSWERS", 1)
    model, processor = tiny_parts()
    model = copy.deepcopy(model)
    model.model.visual.requires_grad_(False)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    collate = DataCollatorForVisionLanguageModeling(
        processor=slot_processor(processor), completion_only_loss=True
    )
    attended, right = teach_lookup(model, processor.tokenizer, _questions(96), collate, count=96)
    assert attended > 0.1  # of some 100 places; untaught heads give the right one 0.01
    assert 0 <= right <= 1
    changed = {
        name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])
    }
    assert "model.language_model.layers.1.self_attn.q_proj.weight" in changed
    assert all(".layers.1." in name or ".layers.2.mlp." in name for name in changed)
    kept = dict(model.named_parameters())
    assert not kept["model.visual.pos_embed.weight"].requires_grad
    assert kept["model.language_model.embed_tokens.weight"].requires_grad


def test_it_says_what_is_missing() -> None:
    model, processor = tiny_parts()
    with pytest.raises(UsageError, match="found 0 batches"):
        teach_lookup(model, processor.tokenizer, [], lambda rows: {}, count=10)
    assert set(option_marks(processor.tokenizer).values()) == set("ABCDEFGHIJ")

    class Plain:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    with pytest.raises(UsageError, match="tiny tokenizer"):
        teach_lookup(model, Plain(), [], lambda rows: {}, count=10)
