"""COCO run-length masks: reading, checking, writing, without trust in the input.

A mask is `{"size": [height, width], "counts": …}`; runs alternate background, foreground, …
down the columns (column-major), starting with background. `counts` is a list of run lengths or
the compressed string COCO tools write: five bits a character plus 48, each length after the
third stored as the difference to the length two before.

pycocotools reads past its buffers, and can take the interpreter down, when the string or the
size is malformed. So reading is done here, in NumPy, and every defect raises `RleError`.
pycocotools is used for polygons only, after their coordinates were checked.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MAX_PIXELS",
    "RleError",
    "Runs",
    "decode",
    "encode",
    "from_mask",
    "from_polygons",
    "read",
]

MAX_PIXELS = 1 << 28
"""Largest mask accepted, height × width: about 16,000 squared."""

_MAX_PERIMETER = 1_000_000  # pixels; the rasteriser takes some 40 bytes for each
_MAX_DIGITS = 6  # five-bit digits of one number: 2**29 is more than any run of MAX_PIXELS needs


class RleError(ValueError):
    """A run-length mask or polygon that cannot be a mask; the message says what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """A mask of `height` × `width` pixels as the positions where it changes.

    `flips` (int64, strictly increasing, even in number) are positions x·height + y, 0 to
    height·width: foreground starts at flips[0], ends before flips[1], and so on.
    """

    height: int
    width: int
    flips: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int((self.flips[1::2] - self.flips[::2]).sum())

    def columns(self, left: int, right: int) -> NDArray[np.bool_]:
        """Return image columns left to right - 1, each as a row: (right - left, height) bool."""
        size = (right - left) * self.height
        inner = np.clip(self.flips - left * self.height, 0, size)
        lengths = np.diff(np.concatenate([[0], inner, [size]]))
        values = np.arange(len(lengths)) % 2 == 1
        return np.repeat(values, lengths).reshape(right - left, self.height)

    def to_mask(self) -> NDArray[np.bool_]:
        """Return the mask as a (height, width) bool array."""
        mask = np.zeros((self.height, self.width), dtype=np.bool_)
        if len(self.flips):
            left = int(self.flips[0]) // self.height
            right = int(self.flips[-1] - 1) // self.height + 1
            mask[:, left:right] = self.columns(left, right).T
        return mask

    def to_json(self) -> dict[str, Any]:
        """Return the mask as `{"size": [height, width], "counts": str}`, compressed as by COCO."""
        total = self.height * self.width
        marks = np.concatenate([[0], self.flips, [total]])
        lengths = np.diff(marks)
        if len(self.flips) and self.flips[-1] == total:
            lengths = lengths[:-1]
        return {"size": [self.height, self.width], "counts": _write_counts(lengths)}


def read(rle: Runs | Mapping[str, Any]) -> Runs:
    """Check a run-length mask and return its runs; `Runs` pass through.

    `rle["size"]` is [height, width] in pixels; `rle["counts"]` a compressed string (str or
    bytes) or a list of run lengths. Anything else, and lengths that do not add up to
    height × width, raises `RleError`.

    >>> read({"size": [2, 3], "counts": [1, 2, 3]}).to_mask().astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    if isinstance(rle, Runs):
        return rle
    if not isinstance(rle, Mapping):
        raise RleError(f"expected a mask {{'size', 'counts'}}, got {type(rle).__name__}")
    height, width = _read_size(rle.get("size"))
    counts = rle.get("counts")
    if isinstance(counts, str):
        try:
            counts = counts.encode("ascii")
        except UnicodeEncodeError:
            raise RleError("counts: expected characters '0' to 'o', got non-ASCII text") from None
    total = height * width
    if isinstance(counts, bytes):
        lengths = _read_text(counts, total)
    elif isinstance(counts, (list, tuple)):
        lengths = _read_list(counts, total)
    else:
        raise RleError(f"counts: expected a string or a list, got {type(counts).__name__}")
    return Runs(height, width, _flips(lengths, total))


def decode(rle: Runs | Mapping[str, Any]) -> NDArray[np.bool_]:
    """The (height, width) bool mask of a run-length mask; `RleError` when it is malformed.

    >>> decode({"size": [2, 2], "counts": "112"}).astype(int).tolist()
    [[0, 0], [1, 0]]
    """
    return read(rle).to_mask()


def encode(mask: NDArray[Any]) -> dict[str, Any]:
    """A mask (height, width; nonzero is foreground) as `{"size", "counts": str}` for JSON.

    The string is the one pycocotools writes.

    >>> encode(np.array([[0, 0], [1, 0]]))
    {'size': [2, 2], 'counts': '112'}
    """
    return from_mask(mask).to_json()


def from_mask(mask: NDArray[Any]) -> Runs:
    """The runs of a mask (height, width; nonzero is foreground).

    >>> from_mask(np.eye(2)).flips.tolist()
    [0, 1, 3, 4]
    """
    plane = np.asarray(mask)
    if plane.ndim != 2 or not plane.size:
        raise RleError(f"expected a mask of shape (height, width), got shape {plane.shape}")
    if plane.dtype != np.bool_:
        plane = plane != 0
    height, width = plane.shape
    if plane.size > MAX_PIXELS:
        raise RleError(f"expected at most {MAX_PIXELS} pixels, got {height} × {width}")
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    if not len(rows):
        return Runs(height, width, np.empty(0, dtype=np.int64))
    top, bottom, left = int(rows[0]), int(rows[-1]) + 1, int(columns[0])
    if bottom == height:
        top = 0  # a run may go on in the next column: keep whole columns
    else:
        bottom += 1  # one background row ends every run inside its column
    window = np.ascontiguousarray(plane[top:bottom, left : int(columns[-1]) + 1].T)
    flat = window.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        changes = np.concatenate([[0], changes])
    if flat[-1]:
        changes = np.concatenate([changes, [flat.size]])
    column, row = np.divmod(changes, bottom - top)
    return Runs(height, width, (column + left) * height + row + top)


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Runs:
    """The union of polygons [x1, y1, x2, y2, …] in pixels, rasterised as COCO does.

    Each polygon needs three corners or more, finite and within ten image sizes of the origin,
    and all outlines a million pixels at most; otherwise `RleError`.

    >>> from_polygons([[0, 0, 2, 0, 2, 2, 0, 2]], 4, 4).area
    4
    """
    height, width = _read_size([height, width])
    if not isinstance(polygons, (list, tuple)) or not polygons:
        raise RleError("expected a list of at least one polygon")
    reach = 10 * max(height, width)
    checked = [_read_polygon(polygon, reach) for polygon in polygons]
    perimeter = sum(_perimeter(corners) for corners in checked)
    if perimeter > _MAX_PERIMETER:
        raise RleError(
            f"polygons: expected at most {_MAX_PERIMETER} pixels of outline, got {perimeter:.0f}"
        )
    from pycocotools import mask as coco

    merged = coco.merge(coco.frPyObjects([corners.tolist() for corners in checked], height, width))
    return read({"size": [height, width], "counts": merged["counts"]})


def _read_polygon(polygon: Sequence[float], reach: int) -> NDArray[np.float64]:
    try:
        corners = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RleError("polygon: expected a flat list of numbers") from None
    if corners.ndim != 1 or corners.size < 6 or corners.size % 2:
        raise RleError(
            f"polygon: expected x, y pairs of three corners or more, got shape {corners.shape}"
        )
    if not (np.abs(corners) <= reach).all():
        raise RleError(f"polygon: expected finite coordinates within ±{reach}")
    return corners


def _perimeter(corners: NDArray[np.float64]) -> float:
    """Pixels the rasteriser steps through on the outline."""
    pairs = corners.reshape(-1, 2)
    return float(np.abs(pairs - np.roll(pairs, 1, axis=0)).max(axis=1).sum())


def _read_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise RleError(f"size: expected [height, width], got {reprlib.repr(size)}")
    height, width = size
    if type(height) is not int or type(width) is not int or height < 1 or width < 1:
        raise RleError(f"size: expected two whole numbers above 0, got {reprlib.repr(size)}")
    if height * width > MAX_PIXELS:
        raise RleError(f"size: expected at most {MAX_PIXELS} pixels, got {reprlib.repr(size)}")
    return height, width


def _read_list(counts: Sequence[Any], total: int) -> NDArray[np.int64]:
    if not all(type(length) is int and 0 <= length <= total for length in counts):
        raise RleError(f"counts: expected whole numbers from 0 to {total}")
    return np.array(counts, dtype=np.int64)


def _read_text(text: bytes, total: int) -> NDArray[np.int64]:
    """Run lengths of a compressed string, each checked to lie in 0..total."""
    digits = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not digits.size:
        return digits
    if digits.min() < 0 or digits.max() > 63:
        raise RleError("counts: expected characters '0' to 'o'")
    last = np.flatnonzero(digits < 32)  # bit 5 says that more digits follow
    if digits[-1] >= 32:
        raise RleError("counts: the string ends inside a number")
    first = np.concatenate([[0], last[:-1] + 1])
    width = last - first + 1
    if width.max() > _MAX_DIGITS:
        raise RleError("counts: a number is too long")
    place = np.arange(digits.size) - np.repeat(first, width)
    values = np.add.reduceat((digits & 31) << (5 * place), first)
    values[(digits[last] & 16) != 0] -= (np.int64(1) << (5 * width))[(digits[last] & 16) != 0]
    if np.abs(values).max() > total:
        raise RleError(f"counts: a run is longer than the {total} pixels of the mask")
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0 or values.max() > total:
        raise RleError(f"counts: a run is negative or longer than the {total} pixels of the mask")
    return values


def _write_counts(lengths: NDArray[np.int64]) -> str:
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    places = np.arange(_MAX_DIGITS)
    half = np.int64(1) << (5 * places + 4)  # k+1 digits hold -half[k] <= value < half[k]
    fits = (values[:, None] >= -half) & (values[:, None] < half)
    digits = (values[:, None] >> (5 * places)) & 31
    width = fits.argmax(axis=1)
    digits += np.where(places < width[:, None], 32, 0) + 48
    kept = digits[places <= width[:, None]]
    text: bytes = kept.astype(np.uint8).tobytes()
    return text.decode("ascii")


def _flips(lengths: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    ends = np.cumsum(lengths)
    if not len(ends) or ends[-1] != total:
        found = int(ends[-1]) if len(ends) else 0
        raise RleError(f"counts: expected runs of {total} pixels in all, got {found}")
    if len(ends) % 2:
        ends = ends[:-1]  # the mask ends in background: nothing changes at its end
    if (lengths[1:] == 0).any():  # two changes at one place are none
        places, times = np.unique(ends, return_counts=True)
        ends = places[times % 2 == 1]
    return ends
