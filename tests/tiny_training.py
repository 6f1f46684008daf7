"""What the tests of training share: an untrained tiny model, made once for the whole session."""

from __future__ import annotations

import copy
import functools
import tempfile
from pathlib import Path
from typing import Any

TRAINING_TEXT = "Where is the red square? The answer is a box of four numbers."


@functools.cache
def tiny_parts() -> tuple[Any, Any]:
    """Return an untrained model with random weights and its processor (not to be changed)."""
    from onethinker_eval.prompts import load_profile
    from onethinker_eval.training.tiny_model import build_model, build_processor
    from onethinker_eval.training.tiny_start import phrases
    from onethinker_eval.training.tiny_tokenizer import build_tokenizer

    tokenizer = build_tokenizer([TRAINING_TEXT], phrases=phrases(load_profile()))
    return build_model(tokenizer, seed=3).eval(), build_processor(tokenizer)


@functools.cache
def tiny_folder() -> Path:
    """Return a folder with that model, as `from_pretrained` reads it."""
    model, processor = tiny_parts()
    folder = Path(tempfile.mkdtemp(prefix="tiny-model-"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@functools.cache
def micro_folder() -> Path:
    """Return a folder with a model of one narrow layer, for tests that train it for many steps."""
    import torch
    from transformers import Qwen3VLForConditionalGeneration

    tiny, processor = tiny_parts()
    config = copy.deepcopy(tiny.config)
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 32, 64, 1
    text.head_dim, text.num_attention_heads, text.num_key_value_heads = 16, 2, 2
    text.rope_parameters = {**text.rope_parameters, "mrope_section": [4, 2, 2]}
    vision.depth, vision.hidden_size, vision.intermediate_size, vision.num_heads = 1, 32, 64, 2
    vision.out_hidden_size, vision.deepstack_visual_indexes = 32, [0]
    state = torch.random.get_rng_state()
    torch.manual_seed(5)
    model = Qwen3VLForConditionalGeneration(config)
    for weight in model.parameters():
        if weight.ndim >= 2:
            torch.nn.init.normal_(weight, std=0.05)
    torch.random.set_rng_state(state)
    model.generation_config = tiny.generation_config
    folder = Path(tempfile.mkdtemp(prefix="micro-model-"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
