"""The box and points that tell a segmenter which body is meant, by a fixed, visible rule.

Positive points: the middle of the longest run of the mask in the rows at 25, 50 and 75 % of its
height. Negative points: just outside the box, at the first three of left, right, below, above and
the corners that lie inside the frame. All in 0..1000 of each axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onethinker_eval.demo.scene import box_of, to_1000
from onethinker_eval.demo.shapes import Mask

__all__ = ["prompts", "segmentation_thought"]

_ROWS = (0.25, 0.5, 0.75)
_MARGIN_PX = 5


def _row_point(mask: Mask, row: int) -> tuple[int, int]:
    """Return x, y in the middle of the longest run of the filled row nearest to `row`."""
    filled = np.flatnonzero(mask.any(axis=1))
    y = int(filled[np.argmin(np.abs(filled - row))])
    line = np.concatenate([[False], mask[y], [False]]).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(line) == 1), np.flatnonzero(np.diff(line) == -1)
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest] - 1) // 2, y


def prompts(mask: Mask) -> dict[str, Any]:
    """Return `boxes`, `positive_points` and `negative_points` of a mask, in 0..1000 integers.

    Raises ValueError when the mask is empty.
    """
    box = box_of(mask)
    if box is None:
        raise ValueError("an empty mask has no prompts")
    height, width = mask.shape
    x1, y1, x2, y2 = box
    inside = [_row_point(mask, y1 + int(share * (y2 - y1))) for share in _ROWS]
    cx, cy = (x1 + x2) // 2, (y1 + y2) // 2
    left, right, up, down = x1 - _MARGIN_PX, x2 + _MARGIN_PX, y1 - _MARGIN_PX, y2 + _MARGIN_PX
    around = (
        (left, cy),
        (right, cy),
        (cx, down),
        (cx, up),
        (left, up),
        (right, up),
        (left, down),
        (right, down),
    )
    outside = [(x, y) for x, y in around if 0 <= x < width and 0 <= y < height][:3]
    if len(outside) < 3:
        empty = np.argwhere(~mask)[:: max(1, int((~mask).sum()) // 7)]
        outside += [(int(x), int(y)) for y, x in empty][: 3 - len(outside)]
    return {
        "boxes": to_1000(box, width, height),
        "positive_points": [_point(x, y, width, height) for x, y in inside],
        "negative_points": [_point(x, y, width, height) for x, y in outside],
    }


def _point(x: int, y: int, width: int, height: int) -> list[int]:
    return [round(x * 1000 / width), round(y * 1000 / height)]


def segmentation_thought(cue: str, name: str, answer: dict[str, Any], steps: str = "") -> str:
    """Return a short thought that leads from the wanted body to its box and points.

    `steps` are whole sentences on how the body is found.
    """
    x1, y1, x2, y2 = answer["boxes"]
    steps = f" {steps}" if steps else ""
    return (
        f"I look for {cue}.{steps} It is the {name} from {x1} to {x2} across and "
        f"from {y1} to {y2} down. I put points inside it and just outside."
    )
