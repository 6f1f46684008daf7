"""Pairs of masks as two integers, one bit a pixel, cropped to where either has foreground.

Shifting an integer moves the whole mask, `&` intersects, `bit_count` counts: on one core this
beats array code several times, and the bits can be built from run lengths without ever making
the mask. Pixel (row, column) of the crop is bit `row · stride + column`. Each row is followed
by at least `reach` background bits, so a shift by up to `reach` never runs into a neighbour row.

Run-length masks are stored by columns, so pairs built from them are transposed. Intersections,
boundaries and distances do not care.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onethinker_eval.metrics.rle import Runs

__all__ = ["BitPair", "from_arrays", "from_runs"]


class BitPair(NamedTuple):
    """Two masks of one image as bits, in the window that holds the foreground of both.

    The window starts one background row and column early where the image allows it, and ends
    with the last foreground. `at_end_row` and `at_end_column` say whether it ends with the image.
    """

    first: int
    second: int
    rows: int
    columns: int
    stride: int
    at_end_row: bool
    at_end_column: bool

    @property
    def inside(self) -> int:
        """The bits that are pixels of the window, not padding."""
        return _inside(self.rows, self.columns, self.stride)


def from_arrays(first: NDArray[np.bool_], second: NDArray[np.bool_], reach: int) -> BitPair:
    """Pack two (height, width) bool masks of equal shape, padding rows by `reach` bits."""
    if first.flags.f_contiguous and second.flags.f_contiguous:
        first, second = first.T, second.T
    height, width = first.shape
    packed = [np.packbits(mask, axis=1, bitorder="little") for mask in (first, second)]
    either = packed[0] | packed[1]
    used_rows = np.flatnonzero(either.any(axis=1))
    if not len(used_rows):
        return BitPair(0, 0, 0, 0, 8, False, False)
    top, bottom = max(int(used_rows[0]) - 1, 0), int(used_rows[-1]) + 1
    line = int.from_bytes(np.bitwise_or.reduce(either[top:bottom], axis=0).tobytes(), "little")
    right = line.bit_length()
    left = max((line & -line).bit_length() - 2, 0) // 8  # in bytes: a crop cuts between bytes
    columns = right - 8 * left
    row_bytes = (columns + max(reach, 1) + 7) // 8
    used = (columns + 7) // 8
    bits = []
    for mask in packed:
        window = np.zeros((bottom - top, row_bytes), dtype=np.uint8)
        window[:, :used] = mask[top:bottom, left : left + used]
        bits.append(int.from_bytes(window.tobytes(), "little"))
    ends = (bottom == height, right == width)
    return BitPair(bits[0], bits[1], bottom - top, columns, 8 * row_bytes, *ends)


def from_runs(first: Runs, second: Runs, reach: int) -> BitPair:
    """Set the bits of two run-length masks of equal size, padding rows by `reach` bits.

    Rows of the result are columns of the image.
    """
    extents = [runs.extent for runs in (first, second)]
    found = [extent for extent in extents if extent is not None]
    if not found:
        return BitPair(0, 0, 0, 0, 8, False, False)
    left = max(min(extent[0] for extent in found) - 1, 0)
    top = max(min(extent[1] for extent in found) - 1, 0)
    right, bottom = max(extent[2] for extent in found), max(extent[3] for extent in found)
    rows, columns = right - left, bottom - top
    stride = (columns + max(reach, 1) + 63) // 64 * 64
    inside = _inside(rows, columns, stride)
    bits = [_fill(runs, left, top, rows, columns, stride) & inside for runs in (first, second)]
    ends = (right == first.width, bottom == first.height)
    return BitPair(bits[0], bits[1], rows, columns, stride, *ends)


def _inside(rows: int, columns: int, stride: int) -> int:
    line = ((1 << columns) - 1).to_bytes(stride // 8, "little")
    return int.from_bytes(line * rows, "little")


def _fill(runs: Runs, left: int, top: int, rows: int, columns: int, stride: int) -> int:
    """Bits of a run-length mask in a window; padding bits between rows are left undefined."""
    column, row = np.divmod(runs.flips, runs.height)
    # A change above or below the window takes effect at its edge, or in the padding after it.
    place = (column - left) * stride + np.clip(row - top, 0, columns)
    words = np.zeros(rows * stride // 64 + 1, dtype="<u8")
    np.bitwise_xor.at(words, place >> 6, np.uint64(1) << (place & 63).astype(np.uint64))
    # Running parity of the changes, first inside each word, then across words by its top bit.
    for step in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(step)
    carry = np.bitwise_xor.accumulate(words >> np.uint64(63))
    words[1:] ^= np.uint64(0) - carry[:-1]
    return int.from_bytes(words.tobytes(), "little")
