"""What a family makes of a scene: questions with exact answers and a short thought.

A `Group` is one picture or clip with the questions that share it. An `Ask` carries the answer in
the form a model should give inside `<answer>`, and a thought that leads there from the scene.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.shapes import Rgb

__all__ = [
    "FAMILIES",
    "Ask",
    "Drawable",
    "Family",
    "Group",
    "Setting",
    "choice",
    "enough",
    "to_json",
]

FAMILIES = (
    "image_qa",
    "video_qa",
    "image_caption",
    "video_caption",
    "temporal_grounding",
    "spatial_grounding",
    "spatio_temporal_grounding",
    "tracking",
    "image_segmentation",
    "video_segmentation",
)
_LETTERS = "ABCDEFGHIJ"


class Drawable(Protocol):
    """Anything that can be shown: a scene, a chart, a geometric figure, a lesson."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""

    @property
    def fps(self) -> float:
        """Frames a second; 0 for a picture."""

    @property
    def frame_count(self) -> int:
        """Number of frames; 1 for a picture."""

    def image(self) -> Rgb:
        """Return the first frame, H×W×3."""

    def frames(self) -> Iterator[Rgb]:
        """Yield every frame, each H×W×3."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How to draw: frame size (width, height), objects a scene (both ends), questions a scene."""

    size: tuple[int, int] = (160, 128)
    objects: tuple[int, int] = (3, 6)
    asks: int = 2


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `answer` is the text that belongs inside `<answer>`.

    `pictures` are positions in the group's `pictures`, in the order in which they are shown.
    `facts` hold what the record of its benchmark carries besides (masks, hints, …).
    """

    family: str
    category: str
    problem_type: str
    question: str
    answer: str
    thinking: str
    options: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[int, ...] = (0,)

    def option_texts(self) -> list[str]:
        """Return the options without their letters."""
        return [option.split(". ", 1)[1] for option in self.options]


@dataclass(frozen=True, slots=True)
class Group:
    """One picture or clip, the questions on it, and further pictures some questions need."""

    picture: Drawable
    asks: tuple[Ask, ...]
    more: tuple[Drawable, ...] = ()

    def shown(self, ask: Ask) -> list[Drawable]:
        """Return the pictures and clips of a question, in order."""
        every = (self.picture, *self.more)
        return [every[at] for at in ask.pictures]


Family = Callable[[Dice, Setting], Group]


def enough(found: int, wanted: int, attempt: int) -> bool:
    """Return whether to keep a drawn scene: all questions wanted, fewer after every ten tries.

    >>> enough(2, 3, 0), enough(2, 3, 10), enough(0, 3, 99)
    (False, True, False)
    """
    return found >= max(1, wanted - attempt // 10)


def some(dice: Dice, asks: Sequence[Ask], count: int) -> list[Ask]:
    """Return at most `count` of the questions, each with the same chance, in their order."""
    kept = sorted(dice.sample(range(len(asks)), min(count, len(asks))))
    return [asks[at] for at in kept]


def to_json(value: Any) -> str:
    """Return compact readable JSON in one line, as answers are written."""
    return json.dumps(value, ensure_ascii=False)


def choice(
    dice: Dice, right: str, wrong: Sequence[str], count: int = 4
) -> tuple[tuple[str, ...], str]:
    """Return the lettered options and the right letter.

    Raises ValueError when the wrong ones repeat or contain the right one, or are too few.
    """
    others = [text for text in wrong if text != right]
    if len(set(others)) != len(others):
        raise ValueError(f"repeated options: {others}")
    texts = dice.shuffled([right, *dice.sample(others, count - 1)])
    options = tuple(f"{_LETTERS[at]}. {text}" for at, text in enumerate(texts))
    return options, _LETTERS[texts.index(right)]
