"""Sums of sample statistics that do not depend on the order of the samples.

Adding floats in another order changes the last bits, so shards merged as they finish would give
other digits on every run. Here a sum is a whole number of 2**-1074, the smallest step between two
doubles: every finite double is such a whole number, Python's integers do not overflow, and integer
addition is exact. Hence the same samples give the same totals bit for bit, in any order, in any
number of shards, and a metric (a quotient of two sums) is rounded once, at the end.

Cost: 0.3 µs a value by `Totals.add`, 0.05 µs by `Totals.add_many`; memory is a few hundred bytes a
statistic, whatever the number of samples. Only sums kept by group (a circular question, a video)
grow, with the number of groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from onethinker_eval.errors import DataError

__all__ = [
    "STEP_BITS",
    "Number",
    "Totals",
    "columns_of",
    "exact",
    "exact_sum",
    "merged",
    "quotient",
]

Number = int | float
Sums = dict[str, int]
Columns = dict[str, tuple[Number, ...]]

STEP_BITS = 1074
"""Sums are counted in steps of 2**-STEP_BITS."""

_STEPS_PER_ONE = 1 << STEP_BITS


def exact(value: Number) -> int:
    """Return `value` as a whole number of 2**-1074 steps; raises `ValueError` unless finite.

    >>> exact(0.5) == exact(1) // 2
    True
    """
    if isinstance(value, int):
        return value << STEP_BITS
    if not math.isfinite(value):
        raise ValueError(f"a statistic must be finite, got {value!r}")
    top, bottom = value.as_integer_ratio()
    return top * (_STEPS_PER_ONE // bottom)


def exact_sum(values: Iterable[Number]) -> int:
    """Return the sum of `values` in 2**-1074 steps, equal to adding `exact` of each.

    Vectorised: mantissas with the same exponent add up as 64-bit integers, in two halves so that
    they cannot overflow below 2**36 values.

    >>> exact_sum([0.1] * 3 + [2]) == sum(exact(v) for v in (0.1, 0.1, 0.1, 2))
    True
    """
    items = values if isinstance(values, (list, tuple)) else list(values)
    if not items:
        return 0
    kinds = set(map(type, items))
    if kinds <= {int, bool}:
        return sum(items) << STEP_BITS
    if kinds != {float}:
        return sum(exact(value) for value in items)
    import numpy as np

    numbers = np.asarray(items, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a statistic must be finite")
    mantissas, exponents = np.frexp(numbers)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    total = 0
    for exponent in np.unique(exponents):
        chosen = whole[exponents == exponent]
        high, low = int((chosen >> 26).sum()), int((chosen & 0x3FFFFFF).sum())
        shift = int(exponent) - 53 + STEP_BITS
        part = (high << 26) + low
        # Below the normal range the mantissa ends in zeros, so the shift to the right loses none.
        total += part << shift if shift >= 0 else part >> -shift
    return total


def quotient(numerator: int, denominator: int, factor: int = 1) -> float | None:
    """Return factor·numerator/denominator of two exact sums, rounded once; None for x/0.

    >>> quotient(exact(1), exact(3), 100)
    33.333333333333336
    """
    return factor * numerator / denominator if denominator else None


class Totals:
    """Sums by statistic, and by group of a kind where a metric needs them.

    `sums[name]` and `groups[kind][group][name]` are whole numbers of 2**-1074.

    >>> one, two = Totals(), Totals()
    >>> one.add({"n": 1, "IoU": 0.1})
    >>> two.add({"n": 2, "IoU": 0.7})
    >>> one.merge(two)
    >>> one["n"], one.ratio("IoU", "n", 100)
    (3.0, 26.666666666666664)
    """

    __slots__ = ("groups", "sums")

    def __init__(self) -> None:
        """Start with nothing."""
        self.sums: Sums = {}
        self.groups: dict[str, dict[str, Sums]] = {}

    def add(self, statistics: Mapping[str, Number]) -> None:
        """Add one sample's statistics; raises `ValueError` for NaN or infinity."""
        _add_into(self.sums, {name: exact(value) for name, value in statistics.items()})

    def add_group(self, kind: str, group: str, statistics: Mapping[str, Number]) -> None:
        """Add one sample's statistics to a group of a kind ("group", "cluster") alone."""
        steps = {name: exact(value) for name, value in statistics.items()}
        _add_into(self._group(kind, group), steps)

    def add_many(self, statistics: Sequence[Mapping[str, Number]]) -> None:
        """Add many samples at once: the same totals as `add` on each, several times faster."""
        for _, columns in columns_of(statistics):
            self.add_columns(columns)

    def add_columns(self, columns: Mapping[str, Sequence[Number]]) -> None:
        """Add samples given as the values of each statistic; see `columns_of`."""
        for name, column in columns.items():
            self.sums[name] = self.sums.get(name, 0) + exact_sum(column)

    def _group(self, kind: str, group: str) -> Sums:
        return self.groups.setdefault(kind, {}).setdefault(group, {})

    def merge(self, other: Totals) -> None:
        """Add the sums of `other`, which stays as it is."""
        _add_into(self.sums, other.sums)
        for kind, groups in other.groups.items():
            for group, sums in groups.items():
                _add_into(self._group(kind, group), sums)

    def __getitem__(self, name: str) -> float:
        """Return a sum as the nearest float; 0.0 for a statistic nobody added."""
        return self.sums.get(name, 0) / _STEPS_PER_ONE

    def __contains__(self, name: str) -> bool:
        return name in self.sums

    def fraction(self, name: str) -> Fraction:
        """Return a sum as the exact fraction it is."""
        return Fraction(self.sums.get(name, 0), _STEPS_PER_ONE)

    def ratio(self, numerator: str, denominator: str, factor: int = 1) -> float | None:
        """Return factor·numerator/denominator, correctly rounded; None when nothing was counted."""
        return quotient(self.sums.get(numerator, 0), self.sums.get(denominator, 0), factor)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Totals):
            return NotImplemented
        return self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self[name]:.6g}" for name in sorted(self.sums))
        return f"Totals({shown})"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that are the same bytes for the same samples, however they came.

        A sum is written as `<odd integer, hexadecimal>p<power of two>`: "0x3p-1" is 1.5.
        """
        return {
            "sums": _packed(self.sums),
            "groups": {
                kind: {group: _packed(groups[group]) for group in sorted(groups)}
                for kind, groups in sorted(self.groups.items())
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Totals:
        """Rebuild totals from `to_json`; raises `DataError` on anything else."""
        totals = cls()
        try:
            totals.sums = _unpacked(value["sums"])
            totals.groups = {
                kind: {group: _unpacked(sums) for group, sums in groups.items()}
                for kind, groups in value["groups"].items()
            }
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"not stored totals ({error})", fix="rebuild them from the replies with `score`"
            ) from error
        return totals


def merged(parts: Iterable[Totals]) -> Totals:
    """Return the sum of all `parts`."""
    whole = Totals()
    for part in parts:
        whole.merge(part)
    return whole


def columns_of(statistics: Sequence[Mapping[str, Number]]) -> list[tuple[list[int], Columns]]:
    """Return the samples' values by statistic, for each set of statistics that samples have.

    Each entry holds the positions of the samples and the values of each of their statistics.

    >>> columns_of([{"n": 1, "words": 7}, {"n": 1}, {"n": 1, "words": 2}])
    [([0, 2], {'n': (1, 1), 'words': (7, 2)}), ([1], {'n': (1,)})]
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for place, names in enumerate(map(tuple, statistics)):
        places.setdefault(names, []).append(place)
    tables = []
    for names, found in places.items():
        columns = zip(*(statistics[place].values() for place in found), strict=True)
        tables.append((found, dict(zip(names, columns, strict=True))))
    return tables


def _add_into(sums: Sums, steps: Mapping[str, int]) -> None:
    for name, value in steps.items():
        sums[name] = sums.get(name, 0) + value


def _packed(sums: Sums) -> dict[str, str]:
    return {name: _pack(sums[name]) for name in sorted(sums) if sums[name]}


def _pack(steps: int) -> str:
    zeros = (steps & -steps).bit_length() - 1
    return f"{steps >> zeros:#x}p{zeros - STEP_BITS}"


def _unpacked(values: Mapping[str, str]) -> Sums:
    sums: Sums = {}
    for name, text in values.items():
        odd, _, power = text.partition("p")
        shift = int(power) + STEP_BITS
        if not 0 <= shift <= 4 * STEP_BITS:
            raise ValueError(f"{name}: {text!r} is out of range")
        sums[name] = int(odd, 16) << shift
    return sums
