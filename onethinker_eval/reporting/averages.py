"""Means over benchmarks: the aggregates of the paper's tables 9 and 10, and one per family.

The rules reproduce every aggregate of tables 9 and 10 that tables 1 to 8 allow to recompute:

| name | mean of |
|---|---|
| image_qa, video_qa | the 8, the 7 benchmarks |
| qa | all 15 |
| temporal_grounding | mIoU of the 3 benchmarks |
| spatial_grounding | R@0.5 of the 8 splits of RefCOCO, RefCOCO+ and RefCOCOg |
| spatio_temporal_grounding | tIoU and sIoU |
| tracking | AO |
| segmentation | cIoU of the 3 image sets and J&F of the 2 video sets |

The captions enter none of the paper's aggregates; the rest of the families have their plain mean.
A mean exists only when all its members do: a part of a family is not the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onethinker_eval.reporting.published import Key, published

__all__ = ["Average", "averages", "mean_values", "paper_columns"]

_TABLE_METRIC = {4: ("mIoU",), 6: ("tIoU", "sIoU"), 7: ("AO",)}


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over `members`; `table` is the table of the paper that prints it, 0 if none does."""

    name: str
    members: tuple[Key, ...]
    table: int = 0


def paper_columns() -> tuple[tuple[int, Key], ...]:
    """Return (table, key) of each column of tables 1 to 8, in the paper's order.

    >>> paper_columns()[0]
    (1, Key(benchmark='mmmu', split='validation', metric='accuracy'))
    """
    return tuple(dict.fromkeys((c.table, c.key) for c in published() if c.table <= 8))


def averages() -> tuple[Average, ...]:
    """Return the aggregates in the order of the paper's tables 10, 9, then the other families."""
    columns = paper_columns()

    def table(number: int) -> tuple[Key, ...]:
        metrics = _TABLE_METRIC.get(number)
        return tuple(
            key for n, key in columns if n == number and (not metrics or key.metric in metrics)
        )

    def of(number: int, *metrics: str) -> tuple[Key, ...]:
        return tuple(key for n, key in columns if n == number and key.metric in metrics)

    captions = table(3)
    return (
        Average("image_qa", table(1), 10),
        Average("video_qa", table(2), 10),
        Average("qa", table(1) + table(2), 9),
        Average("image_caption", captions[:2]),
        Average("video_caption", captions[2:]),
        Average("temporal_grounding", table(4), 9),
        Average("spatial_grounding", table(5), 9),
        Average("spatio_temporal_grounding", table(6), 9),
        Average("tracking", table(7), 9),
        Average("image_segmentation", of(8, "cIoU")),
        Average("video_segmentation", of(8, "J&F")),
        Average("segmentation", of(8, "cIoU", "J&F"), 9),
    )


def mean_values(values: Mapping[Key, float]) -> dict[str, float]:
    """Return the averages whose members are all in `values`, unrounded.

    >>> round(mean_values({Key("got10k", "val", "AO"): 73.0})["tracking"], 1)
    73.0
    """
    found = {}
    for average in averages():
        members = [values[key] for key in average.members if key in values]
        if members and len(members) == len(average.members):
            found[average.name] = sum(members) / len(members)
    return found
