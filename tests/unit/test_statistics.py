"""Intervals and tests: against SciPy, statsmodels' numbers, closed forms, and by simulation."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import scipy.stats

from onethinker_eval.cluster_sums import ClusterSums
from onethinker_eval.statistics import (
    Resampling,
    holm,
    mcnemar,
    paired_bootstrap,
    percentile_interval,
)

PAIRS = [("hit", "n")]


def samples(count: int, seed: int = 0, clusters: int = 40) -> list[tuple[str, dict[str, float]]]:
    rng = random.Random(seed)
    return [
        (f"video {rng.randrange(clusters)}", {"n": 1, "hit": rng.randrange(2), "x": rng.random()})
        for _ in range(count)
    ]


def table(pairs: list[tuple[str, dict[str, float]]], limit: int = 8192) -> ClusterSums:
    made = ClusterSums(limit)
    made.add_many([name for name, _ in pairs], [numbers for _, numbers in pairs])
    return made


# ------------------------------------------------------------------------------ cluster sums


def test_sums_by_cluster_are_plain_sums() -> None:
    pairs = samples(300)
    made = table(pairs)
    assert made.clusters == sorted({name for name, _ in pairs})
    assert made.names == ["hit", "n", "x"]
    for place, name in enumerate(made.clusters):
        mine = [numbers["x"] for cluster, numbers in pairs if cluster == name]
        assert made.values("x")[place] == pytest.approx(math.fsum(mine), abs=1e-9)
    assert made.values("absent").tolist() == [0.0] * len(made)


@pytest.mark.parametrize("limit", [8192, 16])
def test_order_and_shards_do_not_matter(limit: int) -> None:
    pairs = samples(400)
    whole = table(pairs, limit)
    assert whole.bucketed == (limit == 16)
    for seed in range(4):
        random.Random(seed).shuffle(pairs)
        merged = ClusterSums(limit)
        for start in range(seed + 1):
            # Small shards stay below the limit, so buckets meet plain clusters when merging.
            merged.merge(table(pairs[start :: seed + 1], limit))
        assert merged.clusters == whole.clusters
        assert len(merged) <= limit
        for name in whole.names:
            assert merged.values(name).tolist() == whole.values(name).tolist()


def test_plain_clusters_merge_into_buckets_and_the_other_way_round() -> None:
    few, many = samples(20, clusters=5), samples(400, 1)
    both = table(few + many, 16)
    for first, second in ((few, many), (many, few)):
        merged, other = table(first, 16), table(second, 16)
        before = other.clusters
        merged.merge(other)
        assert other.clusters == before
        assert merged.bucketed
        assert merged.values("x").tolist() == both.values("x").tolist()


def test_bad_statistics_and_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="1 clusters for 2 samples"):
        ClusterSums().add_many(["a"], [{"n": 1}, {"n": 1}])
    for value in (math.nan, math.inf, 2.0**41):
        with pytest.raises(ValueError, match="finite"):
            ClusterSums().add_many(["a"], [{"x": value}])
    with pytest.raises(ValueError, match="limits differ"):
        ClusterSums(4).merge(ClusterSums(5))


def test_integers_stay_exact_under_any_resampling() -> None:
    made = ClusterSums()
    values = [{"pixels": 8_294_400 * 37, "x": 1 / 3}, {"pixels": 1, "x": -0.1}]
    made.add_many(["a", "b"], values)
    numbers, scale = made.integers("pixels")
    assert (numbers * scale).tolist() == [8_294_400 * 37, 1]
    assert numbers.max() * len(numbers) < 2**53
    numbers, scale = made.integers("x")
    assert numbers == pytest.approx(np.rint(numbers), abs=0)
    assert (numbers * scale).tolist() == pytest.approx([1 / 3, -0.1], abs=1e-11)


# ---------------------------------------------------------------------------------- intervals


def test_interval_is_a_function_of_the_samples_and_the_seed_alone() -> None:
    pairs = samples(500)
    first = Resampling(table(pairs), seed=1, label="t").interval(PAIRS)
    random.Random(9).shuffle(pairs)
    parts = ClusterSums()
    for start in range(3):
        parts.merge(table(pairs[start::3]))
    assert Resampling(parts, seed=1, label="t").interval(PAIRS) == first
    assert Resampling(parts, seed=2, label="t").interval(PAIRS) != first
    assert Resampling(parts, seed=1, label="u").interval(PAIRS) != first


def test_interval_is_golden() -> None:
    # Written down so that a change of the random stream or of the sums cannot go unnoticed.
    pairs = [(str(i), {"n": 1, "hit": int(i % 3 == 0), "x": i / 97}) for i in range(97)]
    resampling = Resampling(table(pairs), seed=7, label="golden")
    assert resampling.interval(PAIRS) == GOLDEN_HIT
    assert resampling.interval([("x", "n")]) == GOLDEN_X


GOLDEN_HIT = (23.711340206185564, 43.29896907216495)
GOLDEN_X = (43.819481347641094, 54.9901689871398)


def test_replicates_have_the_moments_of_the_multinomial() -> None:
    # Var of a bootstrap mean over k clusters of one sample each: p(1-p)/k.
    pairs = [(str(i), {"n": 1, "hit": int(i < 30)}) for i in range(100)]
    values = Resampling(table(pairs), replicates=20_000).values(PAIRS, 1.0)
    assert values.mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 100 / 20_000))
    assert values.var() == pytest.approx(0.0021, rel=0.04)


def test_interval_agrees_with_scipys_percentile_bootstrap() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.gamma(2.0, size=150)
    made = table([(str(i), {"n": 1, "x": float(x)}) for i, x in enumerate(numbers)])
    mine = Resampling(made, replicates=20_000).interval([("x", "n")], factor=1.0)
    theirs = scipy.stats.bootstrap(
        (numbers,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert mine is not None
    # Both ends are estimates; their standard error is about 0.003 here.
    assert mine.low == pytest.approx(theirs.low, abs=0.015)
    assert mine.high == pytest.approx(theirs.high, abs=0.015)


def test_all_resamples_of_three_clusters_are_met_as_often_as_they_should() -> None:
    # Closed form: the 27 ordered draws of three clusters, each equally likely.
    values = (0.0, 1.0, 4.0)
    made = table([(str(i), {"n": 1, "x": x}) for i, x in enumerate(values)])
    drawn = Resampling(made, replicates=27_000).values([("x", "n")], 3.0)
    expected: dict[float, int] = {}
    for draw in itertools.product(values, repeat=3):
        expected[sum(draw)] = expected.get(sum(draw), 0) + 1000
    found = {value: int((drawn == value).sum()) for value in expected}
    assert sum(found.values()) == 27_000
    chi = sum((found[value] - count) ** 2 / count for value, count in expected.items())
    assert chi < scipy.stats.chi2.ppf(0.9999, len(expected) - 1)


def test_clusters_widen_the_interval() -> None:
    # Ten clusters of twenty equal samples say no more than ten samples.
    grouped = [(str(i // 20), {"n": 1, "hit": (i // 20) % 2}) for i in range(200)]
    single = [(str(i), {"n": 1, "hit": i % 2}) for i in range(200)]
    wide, narrow = (Resampling(table(pairs)).interval(PAIRS) for pairs in (grouped, single))
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_mean_of_ratios_skips_what_was_not_counted() -> None:
    pairs = [(str(i), {"n[a]": 1, "hit[a]": 1}) for i in range(30)]
    pairs += [("z", {"n[b]": 1, "hit[b]": 0})]
    made = table(pairs)
    drawn = Resampling(made).values([("hit[a]", "n[a]"), ("hit[b]", "n[b]")])
    assert set(drawn.tolist()) == {50.0, 100.0}
    nothing = Resampling(made).values([("hit[c]", "n[c]")])
    assert np.isnan(nothing).all()
    assert Resampling(made).interval([("hit[c]", "n[c]")]) is None


def test_one_cluster_has_no_interval() -> None:
    assert Resampling(table([("a", {"n": 1, "hit": 1})])).interval(PAIRS) is None


def test_percentile_interval_leaves_nan_out_and_checks_its_level() -> None:
    assert percentile_interval([1.0, math.nan, 3.0], 0.5) == (1.5, 2.5)
    assert percentile_interval([math.nan]) is None
    with pytest.raises(ValueError, match="level"):
        percentile_interval([1.0], 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_coverage_of_the_interval_is_95_percent(clustered: bool) -> None:
    rng = np.random.default_rng(11)
    trials, covered = 2000, 0
    for trial in range(trials):
        if clustered:
            rates = rng.beta(4, 2, size=250)
            hits = rng.binomial(4, rates)
            pairs = [(str(i), {"n": 4, "hit": int(hit)}) for i, hit in enumerate(hits)]
        else:
            x = rng.beta(4, 2, size=300)
            pairs = [(str(i), {"n": 1, "hit": float(v)}) for i, v in enumerate(x)]
        interval = Resampling(table(pairs), seed=trial, replicates=800).interval(PAIRS)
        assert interval is not None
        covered += interval.low <= 100 * 4 / 6 <= interval.high
    assert 100 * covered / trials == pytest.approx(95.0, abs=1.5)


# --------------------------------------------------------------------------------------- tests


def test_paired_bootstrap_of_equal_runs_finds_nothing() -> None:
    made = table(samples(200))
    result = paired_bootstrap(made, made, PAIRS)
    assert result == (0.0, 0.0, 0.0, 1.0)


def test_paired_bootstrap_finds_a_difference_and_its_sign() -> None:
    worse = [(str(i), {"n": 1, "hit": int(i % 2 == 0)}) for i in range(200)]
    better = [(str(i), {"n": 1, "hit": int(i % 2 == 0 or i % 3 == 0)}) for i in range(200)]
    result = paired_bootstrap(table(worse), table(better), PAIRS)
    assert result.difference == pytest.approx(100 * 34 / 200 - 0.5, abs=0.51)
    assert 0 < result.low < result.difference < result.high
    assert result.p_value < 0.01
    back = paired_bootstrap(table(better), table(worse), PAIRS)
    assert (back.difference, back.low, back.high) == (
        pytest.approx(-result.difference),
        pytest.approx(-result.high),
        pytest.approx(-result.low),
    )
    assert back.p_value == result.p_value


def test_paired_bootstrap_agrees_with_scipy_on_paired_means() -> None:
    rng = np.random.default_rng(5)
    x = rng.random(120)
    y = x + rng.normal(0.02, 0.1, 120)
    made = [table([(str(i), {"n": 1, "x": float(v)}) for i, v in enumerate(z)]) for z in (x, y)]
    mine = paired_bootstrap(*made, [("x", "n")], replicates=20_000, factor=1.0)
    theirs = scipy.stats.bootstrap(
        (y - x,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert mine.difference == pytest.approx(float(np.mean(y - x)), abs=1e-9)
    assert mine.low == pytest.approx(theirs.low, abs=0.002)
    assert mine.high == pytest.approx(theirs.high, abs=0.002)


def test_paired_bootstrap_p_values_are_uniform_when_nothing_differs() -> None:
    rng = np.random.default_rng(6)
    values = []
    for trial in range(300):
        made = [
            table([(str(i), {"n": 1, "x": float(v)}) for i, v in enumerate(rng.random(60))])
            for _ in range(2)
        ]
        values.append(paired_bootstrap(*made, [("x", "n")], seed=trial, replicates=300).p_value)
    assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3


def test_paired_bootstrap_wants_the_same_clusters() -> None:
    first, second = table([("a", {"n": 1})]), table([("b", {"n": 1})])
    with pytest.raises(ValueError, match="same clusters"):
        paired_bootstrap(first, second, PAIRS)
    with pytest.raises(ValueError, match="two clusters"):
        paired_bootstrap(first, first, PAIRS)
    two = table([("a", {"n": 1}), ("b", {"n": 1})])
    with pytest.raises(ValueError, match="nothing was counted"):
        paired_bootstrap(two, two, [("hit", "m")])


# From statsmodels 0.15.0, stats.contingency_tables.mcnemar(exact=True); mid-p by its formula in
# Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91 (their example
# tables: 1 against 7 gives 0.070 exact and 0.039 mid-p).
@pytest.mark.parametrize(
    ("first", "second", "exact"),
    [(1, 7, 0.0703125), (2, 9, 0.0654296875), (0, 5, 0.0625), (40, 60, 0.0568879335)],
)
def test_mcnemar_equals_published_and_scipys_numbers(first: int, second: int, exact: float) -> None:
    result = mcnemar(first, second)
    assert result.exact == pytest.approx(exact, abs=1e-9)
    theirs = scipy.stats.binomtest(first, first + second).pvalue
    assert result.exact == pytest.approx(theirs, rel=1e-12)
    point = scipy.stats.binom.pmf(min(first, second), first + second, 0.5)
    assert result.mid_p == pytest.approx(theirs - point, rel=1e-9)
    assert mcnemar(second, first) == result


def test_mcnemar_at_its_edges() -> None:
    assert mcnemar(0, 0) == (1.0, 1.0)
    assert mcnemar(1, 7).mid_p == pytest.approx(0.0390625, abs=1e-12)
    even = mcnemar(5, 5)
    assert even.exact == 1.0
    assert even.mid_p == pytest.approx(1 - scipy.stats.binom.pmf(5, 10, 0.5), rel=1e-12)
    assert 0.0 < mcnemar(400_0, 420_0).exact < 0.05
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar(-1, 2)


def test_holm_equals_its_definition_and_statsmodels() -> None:
    # statsmodels 0.15.0: multipletests([.01, .04, .03, .005, .5], method="holm")[1]
    golden = [0.04, 0.09, 0.09, 0.025, 0.5]
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx(golden, abs=1e-12)
    assert holm([]) == []
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, math.nan])


def test_holm_never_turns_the_order_round() -> None:
    rng = random.Random(8)
    for _ in range(50):
        values = [rng.random() ** 3 for _ in range(12)]
        adjusted = holm(values)
        assert all(a >= p for a, p in zip(adjusted, values, strict=True))
        order = sorted(range(12), key=values.__getitem__)
        assert adjusted == pytest.approx([adjusted[i] for i in range(12)])
        assert [adjusted[i] for i in order] == sorted(adjusted)
