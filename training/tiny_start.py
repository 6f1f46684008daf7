"""The vocabulary of the tiny model: words of the demo suite, prompt sentences as single tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transformers import PreTrainedTokenizerFast

from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.twins import TWINS, draw
from onethinker_eval.prompts import Profile
from onethinker_eval.training.tiny_tokenizer import build_tokenizer

__all__ = ["phrases", "tokenizer_for"]

SCENES = 60
"""Scenes of each demo twin whose words the merges are learnt from."""


def tokenizer_for(profile: Profile) -> PreTrainedTokenizerFast:
    """Return the tokenizer for prompts of `profile` and the words of the demo suite."""
    return build_tokenizer(_words(), phrases=phrases(profile))


def phrases(profile: Profile) -> list[str]:
    """Return the fixed text after the question, one for each problem type.

    >>> from onethinker_eval.prompts import load_profile
    >>> any("0 to 1000" in text for text in phrases(load_profile()))
    True
    """
    after = profile.layout.partition("{question}")[2]
    return [after.replace("{answer}", answer).strip() for answer in profile.answers.values()]


def _words() -> Iterator[str]:
    for twin in TWINS:
        for item in range(SCENES):
            dice = Dice(scene_seed("train", 0, twin.label, item))
            group = draw(twin, dice, item, None)
            for ask in group.asks:
                for text in (ask.question, ask.thinking, ask.answer, *ask.options):
                    # Numbers are tokens of their own; merges are for words.
                    yield re.sub(r"[\d.]+", " ", text)
