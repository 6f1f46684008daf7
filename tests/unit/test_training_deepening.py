"""A model grown deeper says what it said before, and learns in its new layers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_training import tiny_folder, tiny_parts

torch = pytest.importorskip("torch")

from transformers import AutoModelForImageTextToText  # noqa: E402

from onethinker_eval.errors import UsageError  # noqa: E402
from onethinker_eval.training.deepening import deepen  # noqa: E402
from onethinker_eval.training.policy import load_policy  # noqa: E402
from onethinker_eval.training.recipe import ModelSettings, Recipe  # noqa: E402


def _asked(processor: Any) -> Any:
    picture = Image.effect_noise((96, 96), 60).convert("RGB")
    content = [{"type": "image", "image": picture}, {"type": "text", "text": "Where?"}]
    return processor.apply_chat_template(
        [[{"role": "user", "content": content}]],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def test_a_deeper_model_says_the_same_with_a_cache_and_when_loaded_again(tmp_path: Path) -> None:
    model, processor = copy.deepcopy(tiny_parts()[0]), tiny_parts()[1]
    asked = _asked(processor)
    with torch.no_grad():
        before = model(**asked).logits
        said = model.generate(**asked, max_new_tokens=8)
        deepen(model, 5)
        assert torch.equal(model(**asked).logits, before)
        assert torch.equal(model.generate(**asked, max_new_tokens=8), said)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    assert again.config.text_config.num_hidden_layers == 5
    with torch.no_grad():
        assert torch.equal(again(**asked).logits, before)


def test_new_layers_learn() -> None:
    model, processor = copy.deepcopy(tiny_parts()[0]), tiny_parts()[1]
    deepen(model, 4)
    added = model.model.language_model.layers[2]
    asked = _asked(processor)
    model(**asked, labels=asked["input_ids"]).loss.backward()
    assert added.self_attn.o_proj.weight.grad.abs().max() > 0
    assert added.mlp.down_proj.weight.grad.abs().max() > 0


def test_a_recipe_asks_for_layers() -> None:
    recipe = Recipe("sft", ModelSettings(path=str(tiny_folder()), layers=4))
    model, _ = load_policy(recipe)
    assert len(model.model.language_model.layers) == 4


def test_layers_are_not_taken_away() -> None:
    model = copy.deepcopy(tiny_parts()[0])
    with pytest.raises(UsageError, match="the model has 3 layers"):
        deepen(model, 2)
    deepen(model, 3)
    assert model.config.text_config.num_hidden_layers == 3


def test_a_last_layer_that_takes_pictures_up_stays_the_last() -> None:
    model, _ = (copy.deepcopy(part) for part in tiny_parts())
    model.config.vision_config.deepstack_visual_indexes = [0, 1, 1]
    with pytest.raises(UsageError, match="last layer"):
        deepen(model, 4)
