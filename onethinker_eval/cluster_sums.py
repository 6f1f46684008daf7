"""Sums of statistics by cluster: what bootstrap intervals and paired tests are made from.

Sums are kept as whole and fractional integers, so they depend neither on the order of the samples
nor on how they were split over processes.

Memory is bounded: beyond `MAX_CLUSTERS` clusters, clusters are thrown together by a hash of their
name into that many buckets, which then are the clusters.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from onethinker_eval.totals import Number, columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_CLUSTERS", "ClusterSums"]

MAX_CLUSTERS = 8192
"""More clusters than this are kept as so many buckets."""

_FRACTION_BITS = 40
_EXACT_BITS = 52


class ClusterSums:
    """Sums of statistics by cluster, exact to 2**-40 and independent of order and sharding.

    >>> table = ClusterSums()
    >>> table.add_many(["cat.png", "dog.png", "cat.png"], [{"n": 1}, {"n": 1}, {"n": 1}])
    >>> table.names, table.clusters, table.values("n").tolist()
    (['n'], ['cat.png', 'dog.png'], [2.0, 1.0])
    """

    def __init__(self, limit: int = MAX_CLUSTERS) -> None:
        """Start empty; `limit` is the number of clusters above which buckets are used."""
        self.limit = limit
        self.bucketed = False
        self._rows: dict[str, int] = {}
        self._columns: dict[str, int] = {}
        self._sums = np.zeros((0, 0, 2), dtype=np.int64)

    @property
    def names(self) -> list[str]:
        """The statistics, sorted."""
        return sorted(self._columns)

    @property
    def clusters(self) -> list[str]:
        """The clusters (or buckets), sorted."""
        return sorted(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add_many(self, clusters: Sequence[str], statistics: Sequence[Mapping[str, Number]]) -> None:
        """Add samples; raises `ValueError` for a statistic that is not finite or beyond 2**40."""
        if len(clusters) != len(statistics):
            raise ValueError(f"{len(clusters)} clusters for {len(statistics)} samples")
        for places, columns in columns_of(statistics):
            self.add_columns([clusters[place] for place in places], columns)

    def add_columns(self, clusters: Sequence[str], columns: Mapping[str, Sequence[Number]]) -> None:
        """Add samples given as one list of values for each statistic, as `add_many` does."""
        rows = self._rows_of(clusters)
        for name, column in columns.items():
            whole, fraction = _split(column)
            place = self._column(name)
            np.add.at(self._sums[:, place, 0], rows, whole)
            if fraction is not None:
                np.add.at(self._sums[:, place, 1], rows, fraction)
        self._collapse_if_many()

    def merge(self, other: ClusterSums) -> None:
        """Add the sums of `other`, which must have the same limit and stays as it is."""
        if other.limit != self.limit:
            raise ValueError(f"limits differ: {self.limit} and {other.limit}")
        if other.bucketed and not self.bucketed:
            self._collapse()
        elif self.bucketed and not other.bucketed:
            other = other._copy()
            other._collapse()
        known = self._rows
        rows = np.array([known.setdefault(name, len(known)) for name in other._rows], np.int64)
        self._grow()
        for name, place in other._columns.items():
            column = self._column(name)
            self._sums[rows, column] += other._sums[: len(rows), place]
        self._collapse_if_many()

    def values(self, name: str) -> NDArray[np.float64]:
        """Return a statistic's sum for each of `clusters`; zeros if nobody gave it."""
        whole, fraction = self._parts(name)
        return whole + fraction / float(1 << _FRACTION_BITS)

    def _parts(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = [self._rows[cluster] for cluster in self.clusters]
        place = self._columns.get(name)
        if place is None:
            return np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
        return self._sums[order, place, 0], self._sums[order, place, 1]

    def integers(self, name: str) -> tuple[NDArray[np.float64], float]:
        """Return a statistic's sums as whole floats times a scale, exact under any resampling.

        The scale is the finest power of two for which every possible resampled sum stays below
        2**52, so that sums of these numbers are exact in any order.
        """
        whole, fraction = self._parts(name)
        carried = whole + (fraction >> _FRACTION_BITS)
        rest = fraction & ((1 << _FRACTION_BITS) - 1)
        largest = int(np.abs(carried).max(initial=0)) + 1
        room = _EXACT_BITS - (largest * max(1, len(whole))).bit_length()
        bits = max(0, min(_FRACTION_BITS, room))
        values = (carried << bits) + (rest >> (_FRACTION_BITS - bits))
        return values.astype(np.float64), float(2**-bits)

    def _rows_of(self, clusters: Iterable[str]) -> NDArray[np.int64]:
        if self.bucketed:
            clusters = [_bucket(name, self.limit) for name in clusters]
        known = self._rows
        rows = np.array([known.setdefault(name, len(known)) for name in clusters], dtype=np.int64)
        self._grow()
        return rows

    def _column(self, name: str) -> int:
        place = self._columns.setdefault(name, len(self._columns))
        self._grow()
        return place

    def _grow(self) -> None:
        rows, columns, _ = self._sums.shape
        wanted = (len(self._rows), len(self._columns))
        if rows >= wanted[0] and columns >= wanted[1]:
            return
        shape = (_room(rows, wanted[0]), _room(columns, wanted[1]), 2)
        larger = np.zeros(shape, dtype=np.int64)
        larger[:rows, :columns] = self._sums
        self._sums = larger

    def _collapse_if_many(self) -> None:
        if not self.bucketed and len(self._rows) > self.limit:
            self._collapse()

    def _collapse(self) -> None:
        old_rows, old_sums = self._rows, self._sums
        self._rows, self.bucketed = {}, True
        self._sums = np.zeros((0, old_sums.shape[1], 2), dtype=np.int64)
        rows = self._rows_of(old_rows)
        np.add.at(self._sums, rows, old_sums[: len(rows)])

    def _copy(self) -> ClusterSums:
        twin = ClusterSums(self.limit)
        twin.bucketed = self.bucketed
        twin._rows, twin._columns = dict(self._rows), dict(self._columns)
        twin._sums = self._sums.copy()
        return twin


def _room(have: int, wanted: int) -> int:
    return have if have >= wanted else max(wanted, 2 * have)


def _bucket(cluster: str, buckets: int) -> str:
    return f"#{zlib.crc32(cluster.encode('utf-8', 'surrogatepass')) % buckets}"


def _split(column: Sequence[Number]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return whole parts and fractions in 2**-40 of a column; None without any fraction."""
    if set(map(type, column)) <= {int, bool}:
        whole = np.array(column, dtype=np.int64)
        return whole, None
    numbers = np.array(column, dtype=np.float64)
    if not (np.abs(numbers) < float(1 << 40)).all():
        raise ValueError("a statistic must be finite and below 2**40")
    floor = np.floor(numbers)
    fraction = np.rint((numbers - floor) * float(1 << _FRACTION_BITS)).astype(np.int64)
    return floor.astype(np.int64), fraction
