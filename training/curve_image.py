"""The curves of a training run as one PNG, for where no browser is at hand."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from onethinker_eval.files import write_atomic
from onethinker_eval.training.curves import Curve, charts, coloured, read_history

__all__ = ["draw", "write_image"]

_WIDTH, _HEIGHT = 520, 300
_LEFT, _TOP, _FOOT, _RIGHT = 70, 30, 24, 14
_ACROSS = 3
_KEY_HEIGHT = 16
_TEXT, _AXIS, _PAPER = "#333333", "#bbbbbb", "#ffffff"
_LONGEST_LABEL = 60

Box = tuple[int, int, int, int]


def write_image(run: Path) -> Path:
    """Write `curves.png` into the run folder and return its path; raises as `read_history`."""
    stream = io.BytesIO()
    draw(charts(read_history(run))).save(stream, "PNG")
    path = run / "curves.png"
    write_atomic(path, stream.getvalue())
    return path


def draw(figures: dict[str, dict[str, Curve]]) -> Image.Image:
    """Return a sheet of charts, three in a row, each with its lines' names below it.

    >>> draw({"loss": {"": [(1, 2.0), (2, 1.0)]}}).size
    (1560, 300)
    """
    rows = [list(figures.items())[at : at + _ACROSS] for at in range(0, len(figures), _ACROSS)]
    heights = [_HEIGHT + max(_keys(lines) for _, lines in row) for row in rows]
    sheet = Image.new("RGB", (_WIDTH * _ACROSS, sum(heights)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for place, (name, lines) in enumerate(row):
            left = place * _WIDTH
            _chart(pen, name, lines, (left, top, left + _WIDTH, top + _HEIGHT))
        top += height
    return sheet


def _keys(lines: dict[str, Curve]) -> int:
    return _KEY_HEIGHT * sum(label != "" for label, *_ in coloured(lines))


def _chart(pen: ImageDraw.ImageDraw, name: str, lines: dict[str, Curve], box: Box) -> None:
    small, large = ImageFont.load_default(12), ImageFont.load_default(15)
    left, top = box[0] + _LEFT, box[1] + _TOP
    right, foot = box[2] - _RIGHT, box[3] - _FOOT
    points = [point for curve in lines.values() for point in curve]
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    across = (right - left) / max(last - first, 1)
    up = (foot - top) / ((high - low) or 1.0)
    pen.text((left, box[1] + 6), name, _TEXT, large)
    pen.line([(left, top), (left, foot), (right, foot)], _AXIS)
    for height, value in ((top, high), (foot, low)):
        pen.text((left - 6, height), f"{value:.4g}", _TEXT, small, anchor="rm")
    pen.text((left, foot + 5), f"step {first}", _TEXT, small)
    pen.text((right, foot + 5), str(last), _TEXT, small, anchor="ra")
    for number, (label, colour, turn, curve) in enumerate(coloured(lines)):
        path = [
            (left + (step - first) * across, foot - (value - low) * up) for step, value in curve
        ]
        # The second round of colours is thin: eight hues are as many as can be told apart.
        width = 1 if turn else 2
        if len(path) > 1:
            pen.line(path, colour, width, joint="curve")
        else:
            x, y = path[0]
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), colour)
        if label:
            line = box[3] + number * _KEY_HEIGHT + _KEY_HEIGHT // 2
            pen.line([(left, line), (left + 20, line)], colour, width + 1)
            shown = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
            pen.text((left + 28, line), shown, _TEXT, small, anchor="lm")
