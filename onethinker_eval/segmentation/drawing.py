"""One frame with its masks, box, points and a line of text, as an array.

The predicted mask is filled in magenta with a dark outline, the true one outlined in blue; the
box is yellow, points inside are green plus signs, points outside red crosses. Form tells them
apart as well as colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.prompts import PixelPrompt

__all__ = ["draw_frame", "grid"]

PREDICTED, TRUTH = (225, 0, 165), (0, 130, 220)
BOX, INSIDE, OUTSIDE, WHITE, INK = (
    (250, 220, 40),
    (0, 170, 90),
    (215, 20, 40),
    (255,) * 3,
    (20,) * 3,
)
_LEAST_WIDTH, _MOST_SCALE = 480, 8
_ALPHA = 0.45
_RIM = 4


def draw_frame(
    frame: NDArray[np.uint8],
    *,
    predicted: NDArray[np.bool_] | None = None,
    truth: NDArray[np.bool_] | None = None,
    prompt: PixelPrompt | None = None,
    text: str = "",
    legend: bool = True,
) -> NDArray[np.uint8]:
    """Return `frame` (H, W, 3 uint8 RGB) enlarged to some 480 pixels, with what is given on it.

    Masks may have another size than the frame. Without `legend` nothing stands below it. Width
    and height of the result are even, and the same for all frames of one size.

    >>> draw_frame(np.zeros((90, 160, 3), np.uint8), text="0.5 s").shape
    (316, 480, 3)
    """
    import cv2

    scale = min(_MOST_SCALE, max(1, -(-_LEAST_WIDTH // frame.shape[1])))
    height, width = frame.shape[0] * scale, frame.shape[1] * scale
    canvas = cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST)
    if predicted is not None:
        area = _enlarged(predicted, (height, width))
        mixed = canvas[area] * (1 - _ALPHA) + np.array(PREDICTED) * _ALPHA
        canvas[area] = mixed.astype(np.uint8)
        _outline(canvas, area, INK, 3)
        _outline(canvas, area, PREDICTED, 1)
    if truth is not None:
        _outline(canvas, _enlarged(truth, (height, width)), WHITE, 4)
        _outline(canvas, _enlarged(truth, (height, width)), TRUTH, 2)
    if prompt is not None:
        _draw_prompt(canvas, prompt, scale)
    return _with_text(canvas, text) if legend else _even(canvas)


def _even(canvas: Any) -> NDArray[np.uint8]:
    """Return the picture with even sides, as video coders need them."""
    height, width = canvas.shape[:2]
    return np.pad(canvas, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    import cv2

    plane = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(plane) > 0


def _outline(canvas: Any, area: NDArray[np.bool_], colour: Sequence[int], width: int) -> None:
    import cv2

    parts, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, parts, -1, tuple(colour), width)


def _draw_prompt(canvas: Any, prompt: PixelPrompt, scale: int) -> None:
    import cv2

    height, width = canvas.shape[:2]
    if prompt.box_px is not None:
        x1, y1, x2, y2 = (value * scale for value in prompt.box_px)
        corners = (
            (min(x1, width - 1), min(y1, height - 1)),
            (min(x2, width - 1), min(y2, height - 1)),
        )
        cv2.rectangle(canvas, *corners, INK, 4)
        cv2.rectangle(canvas, *corners, BOX, 2)
    marks = (
        (prompt.positive_px, INSIDE, cv2.MARKER_CROSS),
        (prompt.negative_px, OUTSIDE, cv2.MARKER_TILTED_CROSS),
    )
    for points, colour, form in marks:
        for x, y in points:
            at = (min(x * scale + scale // 2, width - 1), min(y * scale + scale // 2, height - 1))
            cv2.drawMarker(canvas, at, WHITE, form, markerSize=18, thickness=6)
            cv2.drawMarker(canvas, at, colour, form, markerSize=15, thickness=3)


def _with_text(canvas: Any, text: str) -> NDArray[np.uint8]:
    """Return the picture with a line of text below it, sides even as video coders need them."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = canvas.shape[0] + canvas.shape[0] % 2, canvas.shape[1] + canvas.shape[1] % 2
    bar = 46
    picture = Image.new("RGB", (width, height + bar), (250, 250, 250))
    picture.paste(Image.fromarray(canvas), (0, 0))
    draw = ImageDraw.Draw(picture)
    draw.text((8, height + 3), text, fill=INK, font=ImageFont.load_default(size=15))
    legend = (
        ("predicted", PREDICTED),
        ("true", TRUTH),
        ("box", (160, 130, 0)),
        ("+ inside", INSIDE),
        ("x outside", OUTSIDE),
    )
    left = 8.0
    for word, colour in legend:
        draw.text((left, height + 25), word, fill=colour, font=ImageFont.load_default(size=13))
        left += draw.textlength(word, font=ImageFont.load_default(size=13)) + 14
    return np.asarray(picture)


def grid(pictures: Sequence[NDArray[np.uint8]], columns: int = 3) -> NDArray[np.uint8]:
    """Return pictures of one size as rows of `columns` with a rim; the last row is filled up.

    >>> grid([np.zeros((2, 4, 3), np.uint8)] * 4).shape
    (20, 36, 3)
    """
    columns = min(columns, len(pictures))
    rim = ((_RIM, _RIM), (_RIM, _RIM), (0, 0))
    framed = [np.pad(each, rim, constant_values=255) for each in pictures]
    filled = [*framed, *[np.full_like(framed[0], 255)] * (-len(framed) % columns)]
    rows = [np.hstack(filled[at : at + columns]) for at in range(0, len(filled), columns)]
    return np.vstack(rows)
