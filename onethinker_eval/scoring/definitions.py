"""The table of metrics: for each problem type and protocol, which sums make which number.

A metric is a quotient of summed statistics in percent, unless its `reduction` names another way:

- `ratio`        100 · Σ numerator / Σ denominator
- `mean_of`      the mean of several ratios (J&F; the macro mean over categories)
- `group_mean`   the mean over groups of the ratio inside each (LITA: video first)
- `group_all`    the share of groups whose every member is right (MMBench's circular rule)

All of them need sums only, so they merge exactly over shards (`onethinker_eval.totals`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from onethinker_eval.errors import unknown_name
from onethinker_eval.totals import Totals

__all__ = [
    "COUNT",
    "FAILED_MEMBER",
    "UNPARSABLE",
    "Metric",
    "by_category",
    "definitions",
    "measure",
    "success_curve",
    "with_category",
]

COUNT = "n"
"""The statistic that is 1 for each sample in a mean."""
UNPARSABLE = "unparsable"
"""The statistic that is 1 for each sample scored 0 because its answer could not be read."""
FAILED_MEMBER = "failed"
"""Inside a group only: members that failed. Such a group is not judged at all."""

Reduction = Literal["ratio", "mean_of", "group_mean", "group_all"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a report: its name and the statistics it is made of, in percent.

    `count` is the statistic whose sum is the number of samples behind the value. `over` is the
    kind of group ("group", "cluster") of the group reductions. `parts` are the (numerator,
    denominator) pairs of `mean_of`. `failures` is the statistic that counts samples which this
    metric alone has no value for (a judge that failed).
    """

    name: str
    numerator: str = ""
    denominator: str = COUNT
    count: str = COUNT
    reduction: Reduction = "ratio"
    over: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    failures: str = ""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The (numerator, denominator) pairs the value is made of."""
        return self.parts or ((self.numerator, self.denominator),)


def measure(metric: Metric, totals: Totals) -> float | None:
    """Return the metric's value in percent, rounded once; None when nothing was counted.

    >>> totals = Totals()
    >>> totals.add({"n": 4, "accuracy": 3})
    >>> measure(Metric("accuracy", "accuracy"), totals)
    75.0
    """
    if metric.reduction == "ratio":
        return totals.ratio(metric.numerator, metric.denominator, 100)
    if metric.reduction == "mean_of":
        parts = [part for pair in metric.parts if (part := _part(totals.sums, *pair)) is not None]
    else:
        parts = list(_group_values(metric, totals).values())
    return float(100 * sum(parts, Fraction(0)) / len(parts)) if parts else None


def _part(sums: Mapping[str, int], numerator: str, denominator: str) -> Fraction | None:
    below = sums.get(denominator, 0)
    return Fraction(sums.get(numerator, 0), below) if below else None


def _group_values(metric: Metric, totals: Totals) -> dict[str, Fraction]:
    values = {}
    for group, sums in totals.groups.get(metric.over, {}).items():
        if sums.get(FAILED_MEMBER) or sums.get(metric.failures):
            continue
        value = _part(sums, metric.numerator, metric.denominator)
        if value is not None:
            whole = metric.reduction == "group_mean" or value == 1
            values[group] = value if whole else Fraction(0)
    return values


def group_table(metric: Metric, totals: Totals) -> dict[str, tuple[float, float]]:
    """Return (value, 1.0) of each group of a group reduction: what an interval resamples."""
    return {group: (float(value), 1.0) for group, value in _group_values(metric, totals).items()}


_SPLIT = (COUNT, "accuracy", "judged", "judged accuracy", "questions", "questions right")
"""The statistics that are kept by category too."""

_CATEGORY = re.compile(rf"{COUNT}\[(.+)\]", re.DOTALL)


def with_category(statistics: Mapping[str, int | float], category: str) -> dict[str, int | float]:
    """Return `statistics` with the accuracy and count of the sample's category beside them.

    >>> with_category({"n": 1, "accuracy": 1}, "algebra")
    {'n': 1, 'accuracy': 1, 'n[algebra]': 1, 'accuracy[algebra]': 1}
    """
    copy = dict(statistics)
    for name in _SPLIT:
        if name in statistics:
            copy[f"{name}[{category}]"] = statistics[name]
    return copy


def by_category(names: Iterable[str]) -> tuple[Metric, ...]:
    """Return the macro mean over the categories found among statistic `names`, and each of them.

    >>> [metric.name for metric in by_category(["n", "n[b]", "accuracy[b]", "n[a]"])]
    ['macro accuracy', 'accuracy [a]', 'accuracy [b]']
    """
    found = (_CATEGORY.fullmatch(name) for name in names)
    categories = sorted({match[1] for match in found if match})
    if not categories:
        return ()
    parts = tuple((f"accuracy[{name}]", f"{COUNT}[{name}]") for name in categories)
    macro = Metric("macro accuracy", reduction="mean_of", parts=parts)
    each = [
        Metric(f"accuracy [{name}]", *pair, count=pair[1])
        for name, pair in zip(categories, parts, strict=True)
    ]
    return (macro, *each)


def success_curve(totals: Totals, bins: int = 101) -> list[float]:
    """Return the share of pooled frames whose IoU exceeds 0, 0.01, … 1 (GOT-10k, official).

    Empty without frames. The statistic `curve@k` counts frames that exceed exactly k thresholds.
    """
    frames = totals.fraction("frames")
    if not frames:
        return []
    beyond = Fraction(0)
    curve = []
    for position in range(bins - 1, -1, -1):
        beyond += totals.fraction(f"curve@{position + 1}")
        curve.append(float(beyond / frames))
    return curve[::-1]


def _means(**names: str) -> tuple[Metric, ...]:
    return tuple(Metric(name, statistic) for name, statistic in names.items())


def _plain(*names: str) -> tuple[Metric, ...]:
    return tuple(Metric(name, name) for name in names)


_RECALL = ("R@0.3", "R@0.5", "R@0.7")
_ACCURACY = _plain("accuracy")


def _language(problem_type: str) -> tuple[Metric, ...]:
    if problem_type == "regression":
        return (Metric("MRA", "accuracy"), *_ACCURACY)
    if problem_type == "ocr":
        rates = (
            Metric("WER", "word edits", "words"),
            Metric("CER", "character edits", "characters"),
        )
        return (*_ACCURACY, *rates)
    if problem_type == "caption":
        # The last one tells which variant METEOR was: 0 or absent means with WordNet's synonyms.
        named = _plain("METEOR", "ROUGE-L", "BLEU-2 precision", "METEOR without WordNet")
        return (*named, *_ACCURACY)
    return _ACCURACY


def _temporal(protocol: str, span_rule: str) -> tuple[Metric, ...]:
    metrics = (*_plain(*_RECALL), *_means(mIoU="tIoU"))
    if protocol == "paper" or span_rule != "lita":
        return metrics
    return tuple(
        Metric(metric.name, metric.numerator, reduction="group_mean", over="cluster")
        for metric in metrics
    )


def _tube(protocol: str) -> tuple[Metric, ...]:
    names = ["tIoU@0.3", "tIoU@0.5", "tIoU@0.7", "tIoU", "sIoU@0.3", "sIoU@0.5", "sIoU@0.7", "sIoU"]
    pairs = (("tIoU", COUNT), ("sIoU", COUNT))
    both = Metric("mean of tIoU and sIoU", reduction="mean_of", parts=pairs)
    if protocol == "paper":
        return (*_plain(*names), both)
    return (*_plain(*names), both, *_plain("vIoU@0.3", "vIoU@0.5", "vIoU", "sIoU over truth"))


def _tracking(protocol: str) -> tuple[Metric, ...]:
    if protocol == "paper":
        return _plain("AO", *_RECALL)
    return (
        Metric("AO", "overlap", "frames"),
        Metric("SR@0.5", "SR@0.5", "frames"),
        Metric("SR@0.75", "SR@0.75", "frames"),
        Metric("AUC", "curve", "curve points"),
    )


def _prompts(data_type: str) -> tuple[Metric, ...]:
    names = ["box IoU", "box R@0.5", "positive points", "negative points"]
    names += ["keyframe time"] if data_type == "video" else []
    named = [("prompt accuracy", "prompt accuracy"), *((name, name) for name in names)]
    return tuple(
        Metric(name, statistic, denominator="prompts", count="prompts") for name, statistic in named
    )


def _segmentation(protocol: str, data_type: str) -> tuple[Metric, ...]:
    if data_type == "video":
        pairs = (("J", COUNT), ("F", COUNT))
        masks = (*_plain("J", "F"), Metric("J&F", reduction="mean_of", parts=pairs))
    else:
        masks = (Metric("cIoU", "intersection", "union"), *_means(gIoU="IoU"))
        if protocol != "paper":
            masks += _plain("P@0.5", "P@0.7", "P@0.9")
    return masks + _prompts(data_type)


_TABLE: dict[str, Callable[[str, str, str], tuple[Metric, ...]]] = {
    **{
        name: lambda protocol, data_type, span_rule, name=name: _language(name)  # type: ignore[misc]
        for name in (
            *("multiple choice", "numerical", "regression", "math", "ocr", "open-ended"),
            "caption",
        )
    },
    "temporal grounding": lambda protocol, _, span_rule: _temporal(protocol, span_rule),
    "spatial grounding": lambda *_: (*_plain(*_RECALL), *_means(mIoU="IoU")),
    "spatial-temporal grounding": lambda protocol, *_: _tube(protocol),
    "tracking": lambda protocol, *_: _tracking(protocol),
    "segmentation": lambda protocol, data_type, _: _segmentation(protocol, data_type),
}


def definitions(
    problem_type: str, protocol: str, *, data_type: str = "image", span_rule: str = ""
) -> tuple[Metric, ...]:
    """Return the metrics of a problem type under a protocol, the usual headline ones first.

    A metric whose statistics no sample gave (masks that were not made yet, circular groups) has
    no value and is left out of the reports. Raises `UsageError` for an unknown problem type.

    >>> [metric.name for metric in definitions("tracking", "official")]
    ['AO', 'SR@0.5', 'SR@0.75', 'AUC']
    """
    kind = problem_type.strip().lower()
    if kind not in _TABLE:
        raise unknown_name("problem type", problem_type, _TABLE)
    metrics = _TABLE[kind](protocol, data_type, span_rule)
    circular = Metric("circular accuracy", "accuracy", reduction="group_all", over="group")
    return (*metrics, circular) if metrics[0].numerator == "accuracy" else metrics
