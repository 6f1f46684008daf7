"""Hypothesis strategies shared by the property tests, one section per subject."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onethinker_eval.answers import SegmentationPrompt, Tube

# ---------------------------------------------------------------------------------- geometry
# Boxes are (x1, y1, x2, y2) in 0..1000, spans (start, end) in seconds, masks (height, width).

anything = st.floats(allow_nan=True, allow_infinity=True)
coordinates = st.one_of(
    st.integers(0, 1000).map(float), st.floats(0, 1000, allow_subnormal=False).map(float)
)


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a <= b else (b, a)


spans_s = st.builds(_ordered, coordinates, coordinates).filter(lambda s: s[1] - s[0] > 1e-3)
boxes_1000 = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), spans_s, spans_s)
any_boxes = st.tuples(anything, anything, anything, anything)
any_spans = st.tuples(anything, anything)
tracks_1000 = st.dictionaries(st.integers(1, 32), boxes_1000, max_size=12)
points_1000 = st.tuples(coordinates, coordinates)
point_lists = st.lists(points_1000, max_size=7)


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two bool masks of one size, up to 24 × 24 pixels."""
    shape = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    masks = hnp.arrays(np.bool_, shape, elements=st.booleans(), fill=st.booleans())
    return draw(masks), draw(masks)


# ----------------------------------------------------------------------------------- answers
# Values as the parsers return them; texts hold neither tags nor blanks at their ends.

TAG_WORDS = ("<think>", "</think>", "<answer>", "</answer>")

finite_numbers = st.floats(allow_nan=False, allow_infinity=False)
letters = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
answer_texts = (
    st.text(max_size=80)
    .map(str.strip)
    .filter(lambda text: text and not any(tag in text for tag in TAG_WORDS))
)
thoughts = st.text(max_size=120).filter(
    lambda text: "</think>" not in text and "<answer>" not in text
)
times_s = st.floats(0, 1e6)
full_tracks = st.dictionaries(st.integers(1, 32), boxes_1000, min_size=1, max_size=12)
three_points = st.lists(points_1000, min_size=3, max_size=3).map(tuple)


@st.composite
def tubes(draw: st.DrawFn) -> Tube:
    """A span of at most 40 s somewhere in an hour, with boxes on some of its whole seconds."""
    start = draw(st.floats(0, 3600))
    end = start + draw(st.floats(0, 40))
    seconds = st.integers(math.floor(start), math.ceil(end))
    return Tube((start, end), draw(st.dictionaries(seconds, boxes_1000, max_size=8)))


def segmentation_prompts(video: bool) -> st.SearchStrategy[SegmentationPrompt]:
    """A box, three and three points, and for videos a time."""
    times = times_s if video else st.none()
    return st.builds(SegmentationPrompt, boxes_1000, three_points, three_points, times)


answer_values: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("multiple choice", "image"): letters,
    ("numerical", "image"): finite_numbers,
    ("regression", "image"): finite_numbers,
    ("math", "image"): answer_texts,
    ("OCR", "image"): answer_texts,
    ("open-ended", "image"): answer_texts,
    ("caption", "video"): answer_texts,
    ("temporal grounding", "video"): spans_s,
    ("spatial grounding", "image"): boxes_1000,
    ("spatial-temporal grounding", "video"): tubes(),
    ("tracking", "video"): full_tracks,
    ("segmentation", "image"): segmentation_prompts(video=False),
    ("segmentation", "video"): segmentation_prompts(video=True),
}
mangled_replies = st.lists(
    st.one_of(
        st.sampled_from(TAG_WORDS),
        st.sampled_from(
            ("B", "(C)", "Answer: ", "答案是", "12", "3.5", "0:45", " to ", "[", "]", "{", "}", '"')
        ),
        st.sampled_from(('"time": ', '"boxes": ', "1, 2, 3, 4", "'", ",", "```", "\\boxed{", "$")),
        st.text(alphabet=st.characters(exclude_categories=()), max_size=12),
    ),
    max_size=24,
).map("".join)
"""Replies put together from tags, pieces of answers and any characters, lone surrogates too."""
