"""How long a sample is in tokens, and the limit above which it is left out.

The count is that of the model's input: the chat template's text, and for each image or slot the
tokens its pixels become. It needs sizes, not pixels, so the data check counts without decoding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.prompts import Profile, load_profile
from onethinker_eval.training.recipe import Recipe
from onethinker_eval.training.samples import Sample, row

__all__ = ["LengthLimit", "TokenCounter", "TooLong", "length_limit", "token_counter"]

_PAIR = 4
"""Dimensions of a frame pair (2, H, W, 3); an image has three."""


class TooLong(DataError):
    """A sample of more tokens than `data.max_length`."""


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of rows as `samples.row` makes them.

    `text` counts those of chat messages with one placeholder for each image (True adds the start
    of a reply); `picture` and `slot` those that an image or a frame pair of (height, width)
    becomes.
    """

    text: Callable[[Sequence[Mapping[str, Any]], bool], int]
    picture: Callable[[int, int], int]
    slot: Callable[[int, int], int]

    def of(self, made: Mapping[str, Any], *, reply: bool = True) -> int:
        """Return the tokens of a row: prompt, media and, with `reply`, the reply to learn."""
        messages = [*made["prompt"], *(made["completion"] if reply else ())]
        total = self.text(messages, not reply)
        for pixels in made["images"]:
            height, width = pixels.shape[-3:-1]
            count = self.slot if pixels.ndim == _PAIR else self.picture
            total += count(height, width) - 1
        return total


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """`most` tokens for prompt and reply; in stage grpo `room` is kept for the rollout."""

    counter: TokenCounter
    profile: Profile
    most: int
    room: int | None = None

    def of(self, sample: Sample) -> int:
        """Return the tokens of a sample: with its reply, or with room for a rollout."""
        made = row(sample, self.profile)
        if self.room is None:
            return self.counter.of(made)
        return self.counter.of(made, reply=False) + self.room

    def check(self, sample: Sample) -> None:
        """Raise `TooLong` for a sample above the limit."""
        length = self.of(sample)
        if length > self.most:
            raise TooLong(
                f"{length} tokens, more than the {self.most} of data.max_length",
                file=sample.record.origin,
            )


def length_limit(recipe: Recipe) -> LengthLimit | None:
    """Return the limit of a recipe; None where `data.max_length` is not set."""
    if recipe.data.max_length is None:
        return None
    room = recipe.rollouts.max_tokens if recipe.stage == "grpo" else None
    if room is not None and room >= recipe.data.max_length:
        raise UsageError(
            f"data.max_length {recipe.data.max_length} has no room for a rollout of {room} tokens",
            hint="raise data.max_length or lower rollouts.max_tokens",
        )
    profile = load_profile(recipe.data.prompts)
    return LengthLimit(token_counter(recipe), profile, recipe.data.max_length, room)


def token_counter(recipe: Recipe) -> TokenCounter:
    """Return the counter of a recipe's model; raises `UsageError` where its files are absent."""
    from onethinker_eval.training.slots import is_sized

    processor = _processor(recipe.model.path, recipe.model.scratch, recipe.data.prompts)
    tokenizer, pictures = processor.tokenizer, processor.image_processor
    merged = pictures.merge_size**2

    def text(messages: Sequence[Mapping[str, Any]], opened: bool) -> int:
        written = processor.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=opened
        )
        return len(tokenizer(written, add_special_tokens=False)["input_ids"])

    @functools.lru_cache(maxsize=4096)
    def picture(height: int, width: int) -> int:
        if is_sized(height, width, pictures):
            return slot(height, width)
        return int(pictures.get_number_of_image_patches(height, width, {}) // merged)

    def slot(height: int, width: int) -> int:
        return (height // pictures.patch_size) * (width // pictures.patch_size) // merged

    return TokenCounter(text, picture, slot)


def _processor(path: str | None, scratch: str | None, prompts: str) -> Any:
    if scratch == "tiny":
        from onethinker_eval.training.tiny_model import build_processor
        from onethinker_eval.training.tiny_start import tokenizer_for

        return build_processor(tokenizer_for(load_profile(prompts)))
    if path is None:
        raise UsageError("the recipe names no model", hint="set model.path or model.scratch")
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"data.max_length needs the tokenizer of {path}, which cannot be read "
            f"({str(error).splitlines()[0]})",
            hint="set model.path to a folder with the tokenizer",
        ) from error
