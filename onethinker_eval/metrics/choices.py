"""Multiple-choice rules: which option letter a reply names, under whose rule.

Each rule takes the reply's answer text and returns a `Choice`: a letter, or none, and how it
was found. No rule sees the truth, guesses at random or asks a model. `matches` compares.

| function | used for | source |
|---|---|---|
| `first_character` | the five video sets OneThinker scores itself | OneThinker `eval_bench.py` |
| `option_inference` | MMMU, MMBench, MMStar, ScienceQA, AI2D, MMT-Bench | VLMEvalKit `can_infer` |
| `video_holmes` | Video-Holmes | OneThinker's copy of VLMEvalKit |
| `long_video_bench` | LongVideoBench | VLMEvalKit `extract_characters_regex` |
| `circular_hit`, `circular_groups` | MMBench | VLMEvalKit `mcq_circular_eval`, without a judge |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Literal, NamedTuple

__all__ = [
    "LETTERS",
    "Choice",
    "circular_groups",
    "circular_hit",
    "first_character",
    "long_video_bench",
    "matches",
    "open_question_options",
    "option_inference",
    "video_holmes",
]

LETTERS = "ABCDEFGHIJ"
"""The option letters of the 31 benchmarks; VideoMMMU uses all ten."""

How = Literal[
    "first character",
    "option letter",
    "option text",
    "leading letter",
    "last letter",
    "first capital",
    "refusal",
    "none",
]
Circular = Literal["right", "wrong", "unread"]


class Choice(NamedTuple):
    """What a rule read: an option `letter` or None, and `how` it was found."""

    letter: str | None
    how: How


_NONE = Choice(None, "none")


def matches(choice: Choice, truth: str) -> bool:
    """Tell whether `choice` is the option that `truth` starts with ("B", "b", "B. blue").

    A choice without a letter matches nothing, an empty truth included.

    >>> matches(Choice("B", "option letter"), "B. blue"), matches(Choice(None, "none"), "")
    (True, False)
    """
    return choice.letter is not None and choice.letter == truth.strip()[:1].upper()


def first_character(text: str, letters: str = ascii_uppercase) -> Choice:
    """Read the first character, upper-cased, as the letter.

    OneThinker's rule, quirks included: "Both" is B, "(B)" and "Answer: B" are nothing.
    Empty text is nothing (upstream scores it against an empty truth).

    >>> [first_character(text).letter for text in ("b. blue", "Both", "(B)", "")]
    ['B', 'B', None, None]
    """
    letter = text.strip()[:1].upper()
    if len(letter) == 1 and letter in letters:
        return Choice(letter, "first character")
    return _NONE


_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_JUDGE_FAILURE = "Failed to obtain answer via API"
_TO_BLANKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
# A letter further than this many words from the end of the reply is not taken as its answer.
_LAST_WORDS = 4


def _inferred_letter(text: str, options: Mapping[str, str]) -> Choice:
    """Read the only option letter among the words, if it stands within the last four."""
    if _JUDGE_FAILURE in text:
        return _NONE
    if any(refusal in text for refusal in _REFUSALS):
        return Choice(None, "refusal")
    words = text.translate(_TO_BLANKS).split()
    present = [letter for letter in options if letter in words]
    if not present and "Z" in words:
        return Choice(None, "refusal")
    if len(present) == 1 and words.index(present[0]) >= len(words) - _LAST_WORDS:
        return Choice(present[0], "option letter")
    return _NONE


def _inferred_text(text: str, options: Mapping[str, str]) -> Choice:
    """Read the only option whose text occurs in a reply at most twice as long as all options."""
    folded = text.lower()
    if len(folded) > 2 * sum(len(option) for option in options.values()):
        return _NONE
    present = [letter for letter, option in options.items() if option.lower() in folded]
    return Choice(present[0], "option text") if len(present) == 1 else _NONE


def option_inference(text: str, options: Mapping[str, str]) -> Choice:
    """Read a letter or an option's text as VLMEvalKit does before it would ask a judge.

    `options` maps each letter to its text, e.g. `{"A": "red", "B": "blue"}`. Punctuation
    `.()[],:;!*#{}` counts as blanks. One distinct option letter (exact capital) must be
    present, its first occurrence within the last four words; else exactly one option's text
    must occur, upper or lower case, in a reply no longer than twice all options together.
    Four stock refusals and a lone "Z" are a refusal: read, and never right.

    >>> options = {"A": "red", "B": "blue", "C": "green", "D": "yellow"}
    >>> [option_inference(text, options).letter for text in ("**B**", "it is Blue", "A and B")]
    ['B', 'B', None]
    """
    choice = _inferred_letter(text, options)
    return choice if choice.how != "none" else _inferred_text(text, options)


def open_question_options(answer: str) -> dict[str, str]:
    """Return the two options VLMEvalKit turns an open MMMU question into; "A" is the truth.

    >>> open_question_options("2.5")
    {'A': '2.5', 'B': 'Other Answers'}
    """
    return {"A": answer, "B": "Other Answers"}


_HOLMES_LEADING = re.compile(r"[A-F](?=[.:、\s]|$)", re.IGNORECASE)
_HOLMES_LONE = re.compile(r"\b[A-F]\b", re.IGNORECASE)


def _last_answer(text: str) -> str:
    """Return what the last closed `<answer>` holds, or the whole text; linear in its length.

    Blocks are read from the left and do not overlap, so an opening tag inside a block is text.
    """
    last, position = text, 0
    while (start := text.find("<answer>", position)) >= 0:
        start += len("<answer>")
        end = text.find("</answer>", start)
        if end < 0:
            break
        last, position = text[start:end], end + len("</answer>")
    return last


def video_holmes(text: str) -> Choice:
    """Read a letter A–F at the start, else the last one that stands alone, any case.

    The text is the whole reply: its last `<answer>` counts, or all of it. The article "a"
    is the letter A when no other letter follows, as in the original.

    >>> [video_holmes(text).letter for text in ("B. he ran", "so it is (d)", "nothing")]
    ['B', 'D', None]
    """
    answer = _last_answer(text).strip()
    leading = _HOLMES_LEADING.match(answer)
    if leading:
        return Choice(leading.group().upper(), "leading letter")
    alone = _HOLMES_LONE.findall(answer)
    return Choice(alone[-1].upper(), "last letter") if alone else _NONE


# Removed in this order wherever they occur. The fifth and sixth are two phrases each, run
# together by a missing comma in the original, so they practically never apply.
_STOCK_PHRASES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
)
_FIRST_CAPITAL = re.compile(r"[A-E]")


def long_video_bench(text: str, options: Mapping[str, str] | None = None) -> Choice:
    """Read the first capital A–E anywhere, after stock phrases are removed.

    "Based on the video, the answer is C" is therefore B: the rule is meant for bare letters.
    Without any such capital, `option_inference` over `options` decides.

    >>> [long_video_bench(text).letter for text in ("The answer is C", "Cannot tell", "c")]
    ['C', 'C', None]
    >>> long_video_bench("the blue one", {"A": "red", "B": "blue"}).letter
    'B'
    """
    rest = text.strip()
    for phrase in _STOCK_PHRASES:
        rest = rest.replace(phrase, "")
    found = _FIRST_CAPITAL.search(rest)
    if found:
        return Choice(found.group(), "first capital")
    return option_inference(text, options) if options else _NONE


def circular_hit(rotations: Iterable[tuple[Choice, str]]) -> Circular:
    """Judge one question asked in all rotations: `(choice, truth letter)` for each.

    Any rotation read and wrong (a refusal included) makes the question wrong; else any
    unread rotation leaves it unread, which scores 0 without a judge; else it is right.

    >>> circular_hit([(Choice("B", "option letter"), "B"), (Choice(None, "none"), "C")])
    'unread'
    """
    verdict: Circular = "right"
    for choice, truth in rotations:
        if choice.how == "none":
            verdict = "unread"
        elif choice.letter != truth:
            return "wrong"
    return verdict


def circular_groups(indices: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Group the rows of a circular benchmark: question index → positions of its rotations.

    Rotations carry the question's index plus multiples of a million. A group without its
    base row is left out, as in the original. Order is that of the base rows.

    >>> circular_groups([7, 1000007, 8, 2000007, 3000009])
    {7: (0, 1, 3), 8: (2,)}
    """
    positions: dict[int, list[int]] = {index: [] for index in indices if 0 <= index < 1_000_000}
    for position, index in enumerate(indices):
        base = index % 1_000_000
        if base in positions:
            positions[base].append(position)
    return {base: tuple(rows) for base, rows in positions.items()}
