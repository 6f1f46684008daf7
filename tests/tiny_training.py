"""What the tests of training share: an untrained tiny model, made once for the whole session."""

from __future__ import annotations

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
