"""How sure a number is: bootstrap intervals from additive statistics, and tests between two runs.

Samples of one image or video are not independent, so whole clusters are drawn again, never single
samples. Nothing is scored twice: a replicate re-weights the clusters' sums.

Results are a function of the samples and the seed alone. Clusters are sorted by name, so the order
and the sharding of the samples do not matter; sums are resampled as integers below 2**53, for which
floating-point matrix products are exact, so neither the number of threads nor the kind of
processor changes a bit. Very many clusters are resampled in buckets (see `cluster_sums`).

Method: percentile interval, Efron 1979; clusters, Field and Welsh 2007.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onethinker_eval.cluster_sums import MAX_CLUSTERS, ClusterSums

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
_BLOCK = 1 << 20
"""Entries of a block of weights: 8 MB while it is used, 2 MB kept."""
_CACHED_BLOCKS = 16

Ratios = Sequence[tuple[str, str]]


class Interval(NamedTuple):
    """Ends of a confidence interval, in the unit of the value."""

    low: float
    high: float


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
    ) -> None:
        """Prepare `replicates` draws."""
        self.table = table
        self.replicates = replicates
        self._seed = _seed(seed, label)
        self._sums: dict[str, NDArray[np.float64]] = {}

    def sums(self, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return each statistic's sum in every replicate."""
        if not self._sums:
            known = self.table.names
            columns, scales = zip(*map(self.table.integers, known), strict=True)
            drawn = _resample(np.stack(columns, axis=1), self._seed, self.replicates)
            self._sums = {name: drawn[:, i] * scales[i] for i, name in enumerate(known)}
        nothing = np.zeros(self.replicates)
        return {name: self._sums.get(name, nothing) for name in names}

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


def _resample(matrix: NDArray[np.float64], seed: int, replicates: int) -> NDArray[np.float64]:
    """Return the column sums of `replicates` draws of rows with replacement: exact for integers."""
    count = len(matrix)
    result = np.empty((replicates, matrix.shape[1]))
    block = max(1, _BLOCK // max(1, count))
    for number, start in enumerate(range(0, replicates, block)):
        size = min(block, replicates - start)
        weights = _weights(seed, number, size, count)
        result[start : start + size] = weights.astype(np.float64) @ matrix
    return result


@lru_cache(maxsize=_CACHED_BLOCKS)
def _weights(seed: int, number: int, size: int, count: int) -> NDArray[np.uint16]:
    """Return how often each of `count` rows is drawn in `size` replicates: (size, count).

    Cached, as the tables of several protocols are resampled alike. Only the raw stream of PCG64
    is used, which NumPy keeps the same over its versions.
    """
    bits = np.random.PCG64([seed, number]).random_raw(size * count) >> np.uint64(32)
    # The upper 32 bits times the count, shifted down: uniform to 1 in 2**32 / count.
    rows = ((bits * np.uint64(count)) >> np.uint64(32)).astype(np.int64)
    rows += np.repeat(np.arange(size, dtype=np.int64) * count, count)
    return np.bincount(rows, minlength=size * count).reshape(size, count).astype(np.uint16)


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
