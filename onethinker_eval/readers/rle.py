"""COCO run-length masks in the forms they are released in, brought to one form.

The one form is `{"size": [height, width], "counts": str}`, COCO's compressed text: runs in
column-major order, background first. Accepted besides it: counts as a list of runs, no counts at
all (an empty mask), and polygons. Definition: `maskApi.c` of the COCO API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onethinker_eval.readers.fields import number

__all__ = ["compress", "normalise", "runs"]

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
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"expected a mask with size and counts, found {type(value).__name__}")
    given = value or {}
    height, width = _size(given.get("size"), size)
    counts = given.get("counts")
    if counts is None or counts == "" or counts == []:
        if polygon:
            return _from_polygon(polygon, height, width)
        return {"size": [height, width], "counts": compress([height * width])}
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", errors="replace")
    if isinstance(counts, str):
        if check:
            _check(runs(counts), height, width)
        return {"size": [height, width], "counts": counts}
    if isinstance(counts, Sequence):
        whole = [_whole(run) for run in counts]
        _check(whole, height, width)
        return {"size": [height, width], "counts": compress(whole)}
    raise ValueError(f"counts must be text or a list, found {type(counts).__name__}")


def _size(given: Any, fallback: tuple[int, int] | None) -> tuple[int, int]:
    pair = given if isinstance(given, Sequence) and not isinstance(given, str) else fallback
    if pair is None or len(pair) != 2:
        raise ValueError("the mask has no size [height, width]")
    height, width = _whole(pair[0]), _whole(pair[1])
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise ValueError(f"a mask of {height}x{width} pixels is not possible")
    return height, width


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise ValueError(f"expected a whole number, found {value!r}")
    if value < 0:
        raise ValueError(f"a run cannot be negative: {value!r}")
    return int(value)


def _check(found: Sequence[int], height: int, width: int) -> None:
    if any(run < 0 for run in found):
        raise ValueError("a run is negative: the counts are damaged")
    total = sum(found)
    if total != height * width:
        raise ValueError(f"the runs cover {total} pixels, the image has {height}x{width}")


def compress(counts: Sequence[int]) -> str:
    """Return runs as COCO's compressed text (differences to the run two before, 5 bits a char).

    >>> compress([6, 1, 40, 4])
    '61X13'
    """
    out: list[str] = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            out.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(out)


def runs(text: str) -> list[int]:
    """Return the runs of COCO's compressed text; the inverse of `compress`.

    Raises `ValueError` for a character outside the alphabet or a text that ends too early.
    """
    counts: list[int] = []
    value = shift = 0
    for char in text:
        bits = ord(char) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise ValueError(f"{char!r} cannot stand in compressed counts")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = shift = 0
    if shift:
        raise ValueError("the compressed counts end too early")
    return counts


def _from_polygon(polygon: Any, height: int, width: int) -> dict[str, Any]:
    """Rasterise polygons [[x1, y1, x2, y2, …], …] in pixels, as the COCO API does."""
    from pycocotools import mask as coco

    parts = polygon
    if parts and isinstance(parts[0], (int, float)):
        parts = [parts]
    flat = []
    for part in parts:
        points = [_coordinate(value) for pair in part for value in _pair(pair)]
        if len(points) < 6 or len(points) % 2:
            raise ValueError(f"a polygon needs three points or more, found {len(points)} numbers")
        flat.append(points)
    merged = coco.merge(coco.frPyObjects(flat, height, width))
    return {"size": [height, width], "counts": merged["counts"].decode("ascii")}


def _pair(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _coordinate(value: Any) -> float:
    found = None if isinstance(value, str) else number(value)
    if found is None:
        raise ValueError(f"expected a coordinate, found {value!r}")
    return found
