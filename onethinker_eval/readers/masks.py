"""Masks in the forms they are released in, brought to one: `{"size": [h, w], "counts": str}`.

Accepted: compressed counts, counts as a list of runs, no counts at all (an empty mask), polygons.
Sizes are [height, width] in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["normalise", "union"]

_MAX_PIXELS = 1 << 28


def normalise(
    value: Any,
    *,
    size: tuple[int, int] | None = None,
    polygon: Any = None,
    check: bool = False,
) -> dict[str, Any]:
    """Return a mask in the one form; `size` is (height, width) where the value has none.

    Compressed counts pass unread unless `check` is set (decoding all masks of a video set takes
    minutes). Raises `ValueError` saying what is wrong: no size, runs that do not fill the image, …

    >>> normalise({"size": [2, 2], "counts": [1, 2, 1]})
    {'size': [2, 2], 'counts': '121'}
    >>> normalise({"size": [2, 2]})
    {'size': [2, 2], 'counts': '4'}
    """
    from onethinker_eval.metrics import rle

    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"expected a mask with size and counts, found {type(value).__name__}")
    given = dict(value or {})
    if given.get("size") is None and size is not None:
        given["size"] = list(size)
    counts = given.get("counts")
    if counts in (None, "", b"", []):
        if polygon:
            height, width = _size(given)
            return rle.from_polygons(_flat(polygon), height, width).to_json()
        height, width = _size(given)
        given["counts"] = [height * width]
    elif isinstance(counts, str) and not check:
        _size(given)
        return {"size": list(given["size"]), "counts": counts}
    return rle.read({"size": given.get("size"), "counts": given["counts"]}).to_json()


def _size(given: Mapping[str, Any]) -> tuple[int, int]:
    pair = given.get("size")
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError("the mask has no size [height, width]")
    height, width = pair
    whole = type(height) is int and type(width) is int
    if not whole or min(height, width) < 1 or height * width > _MAX_PIXELS:
        raise ValueError(f"a mask of {height!r} by {width!r} pixels is not possible")
    return height, width


def _flat(polygon: Any) -> list[list[Any]]:
    """Return polygons as [[x1, y1, x2, y2, …], …], from one of them or from lists of pairs."""
    parts = polygon if isinstance(polygon, (list, tuple)) else []
    if not all(isinstance(part, (list, tuple)) for part in parts):
        parts = [parts]
    return [
        [
            number
            for item in part
            for number in (item if isinstance(item, (list, tuple)) else [item])
        ]
        for part in parts
    ]


def union(masks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the union of masks of one size; `ValueError` if they are none or differ in size.

    >>> union([{"size": [1, 3], "counts": [0, 1, 2]}, {"size": [1, 3], "counts": [2, 1]}])
    {'size': [1, 3], 'counts': '0110'}
    """
    from onethinker_eval.metrics import rle

    if len(masks) == 1:
        return normalise(masks[0])
    planes = [rle.decode(mask) for mask in masks]
    if len({plane.shape for plane in planes}) != 1:
        raise ValueError(f"{len(planes)} masks of different sizes")
    whole = planes[0].copy()
    for plane in planes[1:]:
        whole |= plane
    return rle.encode(whole)
