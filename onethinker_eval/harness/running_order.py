"""The order in which a task's samples are put to a model that gains from one.

Samples that show the same media follow one another: they are decoded once, and an engine that
keeps prefixes finds the media's in its cache. Among those groups the longest come first, so that
a batch pads little, what does not fit in memory shows at once, and no long sample is left for the
end. The order depends on the records alone: not on what is finished, nor on any worker.
"""

from __future__ import annotations

from collections.abc import Sequence

from onethinker_eval.media.frames import FrameRule
from onethinker_eval.records import Record

__all__ = ["prompt_length", "running_order"]

_LETTERS_A_TOKEN = 4
_PIXELS_A_TOKEN = 32 * 32
_PAIR = 2


def running_order(records: Sequence[Record], rule: FrameRule | None = None) -> list[int]:
    """Return the indices of `records` in the order to run them.

    `rule` serves to estimate lengths; equal estimates keep the order of the records.

    >>> from onethinker_eval.records import Medium
    >>> def about(path, question):
    ...     return Record(path, "math", "image", question, (Medium("image", path),), "1")
    >>> running_order([about("a", "x"), about("b", "y" * 400), about("a", "z" * 99)])
    [1, 2, 0]
    """
    rule = rule or FrameRule()
    lengths = [prompt_length(record, rule) for record in records]
    longest: dict[object, int] = {}
    first: dict[object, int] = {}
    keys: list[object] = []
    for index, record in enumerate(records):
        key: object = record.media or index
        keys.append(key)
        first.setdefault(key, index)
        longest[key] = max(longest.get(key, 0), lengths[index])

    def place(index: int) -> tuple[int, int, int, int]:
        key = keys[index]
        return -longest[key], first[key], -lengths[index], index

    return sorted(range(len(records)), key=place)


def prompt_length(record: Record, rule: FrameRule) -> int:
    """Return an estimate of the prompt's tokens from the record alone, without opening a file."""
    letters = len(record.question) + sum(len(option) for option in record.options)
    pixels = sum(
        _image_pixels(record, rule) if medium.kind == "image" else _video_pixels(record, rule)
        for medium in record.media
    )
    return letters // _LETTERS_A_TOKEN + pixels // _PIXELS_A_TOKEN


def _image_pixels(record: Record, rule: FrameRule) -> int:
    return _clamped(_area(record), rule.min_image_pixels, rule.image_pixels)


def _video_pixels(record: Record, rule: FrameRule) -> int:
    seconds = record.meta.get("duration_s")
    frames = rule.max_frames
    if rule.rule == "fps" and isinstance(seconds, (int, float)) and seconds > 0:
        frames = min(rule.max_frames, max(rule.min_frames, int(seconds * rule.fps)))
    return frames * _clamped(_area(record), rule.min_frame_pixels, rule.frame_pixels) // _PAIR


def _area(record: Record) -> int | None:
    width, height = record.meta.get("width"), record.meta.get("height")
    return width * height if isinstance(width, int) and isinstance(height, int) else None


def _clamped(area: int | None, least: int, most: int) -> int:
    return most if area is None else max(least, min(most, area))
