"""The tokenizer of small models: byte-level BPE with whole numbers and whole phrases as tokens.

What a small model must say is mostly coordinates and fixed phrases, so each integer 0..1000 (alone,
and with the comma that follows it in a list), each tenth of a second, and each fragment of the
answer schemas is one token: a box and its key are five. Any other text is still representable:
the BPE falls back to bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from onethinker_eval.metrics.choices import LETTERS

__all__ = ["CHAT_TEMPLATE", "NumberRows", "build_tokenizer", "number_rows", "option_marks"]

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
OPTION_FORMS = ("\n{}.", "\n({})", "\n{}:")
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
# Fragments of the answers of `onethinker_eval.answers.format_answer`, of lists of options (the
# letter right before its text, so that one look back finds it) and of the video markers.
FRAGMENTS = (
    '{"boxes": [',
    '{"boxes": {"',
    '{"time": [',
    '{"time": ',
    ', "boxes": [',
    '], "boxes": {"',
    '], "positive_points": [[',
    ']], "negative_points": [[',
    ']], "time": ',
    '": [',
    '], "',
    *(f'], "{second}": [' for second in range(64)),
    *(f'{{"boxes": {{"{second}": [' for second in range(64)),
    *(f'], "boxes": {{"{second}": [' for second in range(64)),
    *(form.format(letter) for form in OPTION_FORMS for letter in LETTERS),
    " at [",
    ": [",
    "], ",
    "], [",
    "]}}",
    "]]}",
    "]}",
    ", ",
    " seconds>",
    "assistant\n",
    "user\n",
    "system\n",
)
LARGEST_INTEGER = 1000
_MOVES = tuple(f"\u0120{word}" for word in ("left", "right", "up", "down", "grows", "shrinks"))
_EXACT = ("\u0120second", "\u0120with", "\u0120for")
LARGEST_TENTHS = 409  # 40.9 seconds: the longest demo clips last 32

# A system turn, media and text in the order given, and no default system message.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- else -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- elif part.type == 'video' or 'video' in part -%}"
    "{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}"
    "{%- elif 'text' in part -%}{{- part.text -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


@dataclass(frozen=True, slots=True)
class NumberRows:
    """Token ids of 0..1000, of the same with a comma, and of 0.0..40.9, each in order.

    `grounding` are the ids of fragments with which boxes and times begin, `opens_time` of the one
    before the two ends of a time, `opens_point` before the two numbers of a place in a thought,
    `opens_box` before the four of a box there, `exact` of words before a number that is a count or
    a time, `moves` of those before how far something went, `decides` of the marks that say whether
    something fits.
    """

    integers: tuple[int, ...]
    listed: tuple[int, ...]
    tenths: tuple[int, ...]
    grounding: tuple[int, ...]
    opens_time: tuple[int, ...]
    opens_point: tuple[int, ...]
    opens_box: tuple[int, ...]
    exact: tuple[int, ...]
    moves: tuple[int, ...]
    decides: tuple[int, ...]


def build_tokenizer(
    corpus: Iterable[str], *, phrases: Iterable[str] = (), merges_vocabulary: int = 900
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on `corpus`; each of `phrases` (prompt sentences, say) is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=merges_vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    whole = [text for text in dict.fromkeys([*TAGS, *FRAGMENTS, *phrases]) if text]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in whole])
    numbers = [*_integers(), *_tenths()]
    # "12, " is followed by the next number, so it cannot be kept to whole words.
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in _listed()])
    # single_word keeps "12" out of "123" and of "x12".
    tokenizer.add_tokens([AddedToken(text, normalized=False, single_word=True) for text in numbers])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_start_token": "<|vision_start|>",
            "vision_end_token": "<|vision_end|>",
        },
        model_max_length=8192,
    )


def number_rows(tokenizer: PreTrainedTokenizerFast) -> NumberRows:
    """Return the ids of the number tokens of a tokenizer made by `build_tokenizer`."""
    vocabulary = tokenizer.get_vocab()
    return NumberRows(
        tuple(vocabulary[text] for text in _integers()),
        tuple(vocabulary[text] for text in _listed()),
        tuple(vocabulary[text] for text in _tenths()),
        tuple(vocabulary[text] for text in FRAGMENTS if '"boxes"' in text or '"time"' in text),
        (vocabulary['{"time": ['],),
        (vocabulary[" at ["],),
        (vocabulary[": ["],),
        tuple(vocabulary[text] for text in _EXACT if text in vocabulary),
        tuple(vocabulary[text] for text in _MOVES if text in vocabulary),
        tuple(vocabulary[text] for text in ("\u0120fits", "\u0120no") if text in vocabulary),
    )


def option_marks(tokenizer: PreTrainedTokenizerFast) -> dict[int, str]:
    """Return the letters of options by token id; empty where such tokens are missing."""
    vocabulary = tokenizer.get_vocab()
    texts = {form.format(letter): letter for form in OPTION_FORMS for letter in LETTERS}
    return {vocabulary[text]: letter for text, letter in texts.items() if text in vocabulary}


def _integers() -> list[str]:
    return [str(value) for value in range(LARGEST_INTEGER + 1)]


def _listed() -> list[str]:
    return [f"{text}, " for text in _integers()]


def _tenths() -> list[str]:
    return [f"{value / 10:.1f}" for value in range(LARGEST_TENTHS + 1)]
