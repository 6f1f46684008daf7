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

__all__ = ["EMPTY", "BitPair", "from_arrays", "from_runs"]


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
        line = ((1 << self.columns) - 1).to_bytes(self.stride // 8, "little")
        return int.from_bytes(line * self.rows, "little")


EMPTY = BitPair(0, 0, 0, 0, 8, False, False)
"""The pair of two masks without foreground."""


def from_arrays(first: NDArray[np.bool_], second: NDArray[np.bool_], reach: int) -> BitPair:
    """Pack two (height, width) bool masks of equal shape, padding rows by `reach` bits."""
    if first.flags.f_contiguous and second.flags.f_contiguous:
        first, second = first.T, second.T
    height, width = first.shape
    packed = [np.packbits(mask, axis=1, bitorder="little") for mask in (first, second)]
    either = packed[0] | packed[1]
    used_rows = np.flatnonzero(either.any(axis=1))
    if not len(used_rows):
        return EMPTY
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

    Only the image columns between the first and last foreground are ever laid out. Rows of the
    result are columns of the image.
    """
    found = [runs.flips for runs in (first, second) if len(runs.flips)]
    if not found:
        return EMPTY
    height = first.height
    start = min(int(flips[0]) for flips in found) // height
    end = max(int(flips[-1]) - 1 for flips in found) // height + 1
    # One background column on either side, if there is one, tells the border from the inside.
    left, right = max(start - 1, 0), min(end + 1, first.width)
    return from_arrays(first.columns(left, right), second.columns(left, right), reach)
