"""How sure a number is: bootstrap intervals from additive statistics, and tests between two runs.

Samples of one image or video are not independent, so whole clusters are drawn again, never single
samples. Nothing is scored twice: a replicate re-weights the clusters' sums.

Results are a function of the samples and the seed alone. Clusters are sorted by name, so the order
and the sharding of the samples do not matter; sums are kept as whole and fractional integers and
resampled as integers below 2**53, for which floating-point matrix products are exact, so neither
the number of threads nor the kind of processor changes a bit.

Memory is bounded: beyond `MAX_CLUSTERS` clusters, clusters are thrown together by a hash of their
name into that many buckets, which are resampled instead (a cluster bootstrap with coarser
clusters). Method: percentile interval, Efron 1979; clusters, Field and Welsh 2007.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onethinker_eval.totals import Number, columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LEVEL",
    "MAX_CLUSTERS",
    "REPLICATES",
    "ClusterSums",
    "Interval",
    "McNemar",
    "Paired",
    "Resampling",
    "holm",
    "mcnemar",
    "paired_bootstrap",
    "percentile_interval",
]

LEVEL = 0.95
REPLICATES = 1000
MAX_CLUSTERS = 8192
"""More clusters than this are resampled as so many buckets."""

_FRACTION_BITS = 40
_EXACT_BITS = 52
_BLOCK = 1 << 20  # entries of a block of weights: 8 MB

Ratios = Sequence[tuple[str, str]]


class Interval(NamedTuple):
    """Ends of a confidence interval, in the unit of the value."""

    low: float
    high: float


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

    def add_many(
        self, clusters: Sequence[str], statistics: Sequence[Mapping[str, Number]]
    ) -> None:
        """Add samples; raises `ValueError` for a statistic that is not finite or beyond 2**40."""
        if len(clusters) != len(statistics):
            raise ValueError(f"{len(clusters)} clusters for {len(statistics)} samples")
        rows = self._rows_of(clusters)
        for name, column in columns_of(statistics).items():
            whole, fraction = _split(column)
            place = self._column(name)
            np.add.at(self._sums[:, place, 0], rows, whole)
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
        rows = np.array([self._row(name) for name in other._rows], dtype=np.int64)
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

    def _rows_of(self, clusters: Sequence[str]) -> NDArray[np.int64]:
        rows = np.array([self._row(self._key(name)) for name in clusters], dtype=np.int64)
        self._grow()
        return rows

    def _key(self, cluster: str) -> str:
        return _bucket(cluster, self.limit) if self.bucketed else cluster

    def _row(self, key: str) -> int:
        return self._rows.setdefault(key, len(self._rows))

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
        rows = np.array([self._row(self._key(name)) for name in old_rows], dtype=np.int64)
        self._sums = np.zeros((len(self._rows), old_sums.shape[1], 2), dtype=np.int64)
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


def _split(column: Sequence[Number]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return whole parts and fractions in 2**-40 of a column."""
    if all(isinstance(value, int) for value in column):
        whole = np.array(column, dtype=np.int64)
        return whole, np.zeros_like(whole)
    numbers = np.array(column, dtype=np.float64)
    if not (np.abs(numbers) < float(1 << 40)).all():
        raise ValueError("a statistic must be finite and below 2**40")
    floor = np.floor(numbers)
    fraction = np.rint((numbers - floor) * float(1 << _FRACTION_BITS)).astype(np.int64)
    return floor.astype(np.int64), fraction


class Resampling:
    """One set of bootstrap replicates of a table's clusters, shared by all its metrics.

    `seed` and `label` (the task) fix the draws. Statistics are summed once each.

    >>> table = ClusterSums()
    >>> table.add_many([str(i) for i in range(50)], [{"n": 1, "hit": i % 2} for i in range(50)])
    >>> low, high = Resampling(table).interval([("hit", "n")])
    >>> 30 < low < 50 < high < 70
    True
    """

    def __init__(
        self,
        table: ClusterSums,
        *,
        seed: int = 0,
        label: str = "",
        replicates: int = REPLICATES,
        clusters: Sequence[str] | None = None,
    ) -> None:
        """Prepare `replicates` draws; `clusters`, if given, must be the table's own."""
        self.table = table
        self.replicates = replicates
        self._seed = _seed(seed, label)
        self._sums: dict[str, NDArray[np.float64]] = {}

    def sums(self, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return each statistic's sum in every replicate."""
        missing = [name for name in dict.fromkeys(names) if name not in self._sums]
        if missing:
            columns, scales = zip(*map(self.table.integers, missing), strict=True)
            matrix = np.stack(columns, axis=1)
            drawn = _resample(matrix, self._seed, self.replicates)
            for place, name in enumerate(missing):
                self._sums[name] = drawn[:, place] * scales[place]
        return {name: self._sums[name] for name in names}

    def values(self, pairs: Ratios, factor: float = 100.0) -> NDArray[np.float64]:
        """Return factor · mean over `pairs` of Σnumerator/Σdenominator for each replicate.

        A pair whose denominator is 0 in a replicate is left out there; NaN if all are.
        """
        sums = self.sums([name for pair in pairs for name in pair])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.stack([sums[above] / sums[below] for above, below in pairs])
        ratios[~np.isfinite(ratios)] = np.nan
        counted = (~np.isnan(ratios)).sum(axis=0)
        total = np.where(np.isnan(ratios), 0.0, ratios).sum(axis=0)
        return np.where(counted > 0, factor * total / np.maximum(counted, 1), np.nan)

    def interval(
        self, pairs: Ratios, *, factor: float = 100.0, level: float = LEVEL
    ) -> Interval | None:
        """Return the percentile interval, or None with fewer than two clusters."""
        if len(self.table) < 2:
            return None
        return percentile_interval(self.values(pairs, factor), level)


def _seed(seed: int, label: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{label}".encode()).digest()[:16], "big")


def _resample(
    matrix: NDArray[np.float64], seed: int, replicates: int
) -> NDArray[np.float64]:
    """Return the column sums of `replicates` draws of rows with replacement: exact for integers.

    Only the raw stream of PCG64 is used, which NumPy keeps the same over its versions.
    """
    count = len(matrix)
    result = np.empty((replicates, matrix.shape[1]))
    source = np.random.PCG64(seed)
    block = max(1, _BLOCK // max(1, count))
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        bits = source.random_raw(size * count) >> np.uint64(32)
        # The upper 32 bits times the count, shifted down: uniform to 1 in 2**32 / count.
        rows = ((bits * np.uint64(count)) >> np.uint64(32)).astype(np.int64)
        rows += np.repeat(np.arange(size, dtype=np.int64) * count, count)
        weights = np.bincount(rows, minlength=size * count).reshape(size, count)
        result[start : start + size] = weights.astype(np.float64) @ matrix
    return result


def percentile_interval(values: Any, level: float = LEVEL) -> Interval | None:
    """Return the interval between the (1 ∓ level)/2 quantiles of replicates, NaN left out.

    Linear interpolation, as in NumPy and SciPy. None without a single number.

    >>> percentile_interval(list(range(101)), 0.5)
    Interval(low=25.0, high=75.0)
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not numbers.size:
        return None
    low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


class Paired(NamedTuple):
    """Difference second − first, its interval, and the two-sided p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    first: ClusterSums,
    second: ClusterSums,
    pairs: Ratios,
    *,
    seed: int = 0,
    label: str = "",
    replicates: int = REPLICATES,
    level: float = LEVEL,
    factor: float = 100.0,
) -> Paired:
    """Compare two runs on the same clusters: the same draws are taken from both.

    p = (1 + replicates whose difference lies as far from the observed one as that from 0) /
    (1 + replicates), as sacreBLEU does. Raises `ValueError` if the clusters differ or are few.
    """
    if first.clusters != second.clusters or first.bucketed != second.bucketed:
        raise ValueError("both runs must have the same clusters; keep the samples they share")
    if len(first) < 2:
        raise ValueError(f"expected two clusters or more, got {len(first)}")
    drawn = [
        Resampling(table, seed=seed, label=label, replicates=replicates).values(pairs, factor)
        for table in (first, second)
    ]
    observed = _value(second, pairs, factor) - _value(first, pairs, factor)
    differences = drawn[1] - drawn[0]
    differences = differences[~np.isnan(differences)]
    interval = percentile_interval(differences, level)
    if interval is None or math.isnan(observed):
        raise ValueError("nothing was counted in either run")
    # Ties are part of the tail; the slack covers the rounding of two percentages.
    beyond = np.abs(differences - observed) >= abs(observed) - 1e-9
    p_value = (1 + int(beyond.sum())) / (1 + len(differences))
    return Paired(observed, interval.low, interval.high, p_value)


def _value(table: ClusterSums, pairs: Ratios, factor: float) -> float:
    parts = []
    for above, below in pairs:
        total = math.fsum(table.values(below))
        if total:
            parts.append(math.fsum(table.values(above)) / total)
    return factor * sum(parts) / len(parts) if parts else math.nan


class McNemar(NamedTuple):
    """Two-sided p-values of McNemar's test on paired right/wrong answers."""

    exact: float
    mid_p: float


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """Test whether two runs are equally often right, from the samples only one got right.

    `exact` is the binomial test; `mid_p` counts the observed table half (Fagerland et al. 2013),
    less conservative and the better choice. Both are 1 without any such sample.

    >>> mcnemar(2, 9).exact
    0.0654296875
    """
    if first_only < 0 or second_only < 0:
        raise ValueError(f"counts must be 0 or more, got {first_only} and {second_only}")
    total, smaller = first_only + second_only, min(first_only, second_only)
    if not total:
        return McNemar(1.0, 1.0)
    exact, point = _binomial_tail(smaller, total)
    mid = 2 * exact - point
    # For equal counts both tails hold the point, so its whole mass goes once.
    return McNemar(min(1.0, 2 * exact), min(1.0, 1.0 - point if 2 * smaller == total else mid))


def _binomial_tail(successes: int, trials: int) -> tuple[float, float]:
    """Return P(X ≤ successes) and P(X = successes) of a fair coin, each rounded once."""
    term, total = 1, 1
    for k in range(successes):
        term = term * (trials - k) // (k + 1)
        total += term
    whole = 1 << trials
    return total / whole, term / whole


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing them all (Holm 1979), in the order given.

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    if not all(0.0 <= p <= 1.0 for p in p_values):
        raise ValueError("p-values lie between 0 and 1")
    order: Callable[[int], float] = lambda place: p_values[place]  # noqa: E731
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=order)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
