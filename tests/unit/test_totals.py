"""Exact sums: equal to fractions, independent of order and sharding, stored without loss."""

from __future__ import annotations

import math
import random
import sys
from fractions import Fraction

import pytest

from onethinker_eval.errors import DataError
from onethinker_eval.totals import (
    STEP_BITS,
    Totals,
    columns_of,
    exact,
    exact_sum,
    merged,
    quotient,
)

EXTREMES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    sys.float_info.min,
    math.nextafter(sys.float_info.min, 0.0),
    1.0,
    math.nextafter(1.0, 2.0),
    0.1,
    -0.1,
    2.0**52 + 0.5,
    sys.float_info.max,
    -sys.float_info.max,
]


@pytest.mark.parametrize("value", [*EXTREMES, 0, 3, -7, 10**30, True])
def test_exact_is_the_value_itself(value: float) -> None:
    assert Fraction(exact(value), 1 << STEP_BITS) == Fraction(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_statistic_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        exact(value)
    with pytest.raises(ValueError, match="finite"):
        exact_sum([0.5, value])
    with pytest.raises(ValueError, match="finite"):
        Totals().add({"n": 1, "IoU": value})


@pytest.mark.parametrize("seed", range(5))
def test_exact_sum_equals_the_sum_of_fractions(seed: int) -> None:
    rng = random.Random(seed)
    values: list[float] = [rng.choice(EXTREMES) for _ in range(50)]
    values += [rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300) for _ in range(500)]
    whole = sum(map(Fraction, values), Fraction(0))
    assert Fraction(exact_sum(values), 1 << STEP_BITS) == whole


def test_exact_sum_of_other_kinds_and_nothing() -> None:
    assert exact_sum([]) == 0
    assert exact_sum([1, True, 5]) == exact(7)
    assert exact_sum(iter([1, 0.5])) == exact(1.5)
    assert exact_sum((0.25, 0.5)) == exact(0.75)


def test_a_plain_sum_would_depend_on_the_order_and_this_one_does_not() -> None:
    values = [1e16, 1.0, -1e16, 1.0]
    assert sum(values) != sum(sorted(values))
    orders = [values, sorted(values), values[::-1]]
    assert {exact_sum(order) for order in orders} == {exact(2)}


def test_add_many_equals_add() -> None:
    rng = random.Random(3)
    samples = [
        {"n": 1, "IoU": rng.random()} if rng.random() < 0.7 else {"n": 1, "words": rng.randrange(9)}
        for _ in range(200)
    ]
    one, many = Totals(), Totals()
    for sample in samples:
        one.add(sample)
    many.add_many(samples)
    assert one == many
    assert one["n"] == 200.0
    assert one["IoU"] == pytest.approx(sum(sample.get("IoU", 0.0) for sample in samples), abs=1e-9)


def test_shards_in_any_order_give_the_same_bytes() -> None:
    rng = random.Random(4)
    samples = [
        {"n": 1, "tIoU": rng.random() ** 9, "R@0.5": rng.randrange(2), "J": rng.random() * 300}
        for _ in range(500)
    ]
    whole = Totals()
    whole.add_many(samples)
    for shards in (2, 7, 50):
        rng.shuffle(samples)
        parts = []
        for start in range(shards):
            part = Totals()
            part.add_many(samples[start::shards])
            for sample in samples[start::shards]:
                part.add_group("group", str(int(sample["J"]) % 5), sample)
            parts.append(part)
        rng.shuffle(parts)
        total = merged(parts)
        assert total.to_json()["sums"] == whole.to_json()["sums"]
        again = merged(parts[::-1])
        assert again.to_json() == total.to_json()
        assert str(again.to_json()) == str(total.to_json())


def test_stored_totals_come_back_bit_for_bit() -> None:
    totals = Totals()
    totals.add({"n": 3, "IoU": 0.1, "tiny": 5e-324, "debt": -0.75, "nothing": 0})
    totals.add_group("group", "q1", {"n": 1, "accuracy": 1})
    stored = totals.to_json()
    assert stored["sums"]["debt"] == "-0x3p-2"
    assert "nothing" not in stored["sums"]
    back = Totals.from_json(stored)
    assert back == totals
    assert back.to_json() == stored
    assert back.fraction("IoU") == Fraction(0.1)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"sums": {}},
        {"sums": [], "groups": {}},
        {"sums": {"n": 3}, "groups": {}},
        {"sums": {"n": "0x1"}, "groups": {}},
        {"sums": {"n": "zp0"}, "groups": {}},
        {"sums": {"n": "0x1p99999999"}, "groups": {}},
        {"sums": {"n": "0x1p-2000"}, "groups": {}},
        {"sums": {}, "groups": {"group": "x"}},
    ],
)
def test_other_things_are_not_totals(stored: dict[str, object]) -> None:
    with pytest.raises(DataError, match="rebuild"):
        Totals.from_json(stored)


def test_ratio_is_rounded_once() -> None:
    totals = Totals()
    totals.add_many([{"n": 1, "x": 0.1}] * 10)
    assert totals.ratio("x", "n", 100) == float(100 * 10 * Fraction(0.1) / 10)
    assert totals.ratio("x", "absent") is None
    assert quotient(exact(1), 0) is None
    assert totals["absent"] == 0.0
    assert "x" in totals
    assert "absent" not in totals


def test_totals_show_and_compare() -> None:
    totals = Totals()
    totals.add({"n": 2})
    assert repr(totals) == "Totals(n=2)"
    assert totals != 2
    with pytest.raises(TypeError):
        hash(totals)


def test_merging_leaves_the_other_alone() -> None:
    one, two = Totals(), Totals()
    two.add({"n": 1})
    two.add_group("group", "a", {"n": 1})
    before = two.to_json()
    one.merge(two)
    one.merge(two)
    assert two.to_json() == before
    assert one["n"] == 2.0


def test_columns_keep_samples_together() -> None:
    samples = [{"n": 1, "a": 5}, {"b": 2}, {"n": 1, "a": 7}, {}]
    assert columns_of(samples) == [
        ([0, 2], {"n": (1, 1), "a": (5, 7)}),
        ([1], {"b": (2,)}),
        ([3], {}),
    ]
