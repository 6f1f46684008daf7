"""From tallies to rows of metrics.csv, in percent, with bootstrap intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from onethinker_eval.errors import DataError
from onethinker_eval.files import write_atomic
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.tally import Tally
from onethinker_eval.scoring.definitions import (
    FAILED_MEMBER,
    UNPARSABLE,
    Metric,
    group_table,
    measure,
)
from onethinker_eval.statistics import REPLICATES, ClusterSums, Interval, Resampling

__all__ = [
    "COLUMNS",
    "JUDGED_UNPARSABLE",
    "MetricRow",
    "metric_rows",
    "read_metrics",
    "write_metrics",
]

_DIGITS = 6
JUDGED_UNPARSABLE = "judged unparsable"
"""The statistic that is 1 where there was nothing a judge could have been asked about."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One value of metrics.csv.

    `value` and its 95 % interval are percentages; the interval is None with fewer than two
    clusters. `n` counts the samples behind the value, `unparsable` those of them that scored 0
    because their answer could not be read (under `paper`, masks drop some of these from n), and
    `failed` the samples that have no score at all.
    """

    benchmark: str
    split: str
    protocol: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int
    unparsable: int
    failed: int


COLUMNS = tuple(item.name for item in fields(MetricRow))


def metric_rows(
    plan: Plan,
    tallies: Mapping[str, Tally],
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> list[MetricRow]:
    """Return the rows of one task: a metric without any sample behind it is left out."""
    rows = []
    for protocol in plan.protocols:
        tally = tallies[protocol]
        resampling = Resampling(tally.clusters, seed=seed, label=plan.task, replicates=replicates)
        for metric in plan.metrics(protocol, tally.totals.sums):
            value = measure(metric, tally.totals)
            if value is None:
                continue
            interval = _interval(metric, tally, resampling, seed, plan.task)
            rows.append(_row(plan, protocol, metric, value, interval, tally))
    return rows


def _row(
    plan: Plan,
    protocol: str,
    metric: Metric,
    value: float,
    interval: Interval | None,
    tally: Tally,
) -> MetricRow:
    low, high = interval or (None, None)
    totals = tally.totals
    return MetricRow(
        plan.benchmark,
        plan.split,
        protocol,
        metric.name,
        round(value, _DIGITS),
        None if low is None else round(low, _DIGITS),
        None if high is None else round(high, _DIGITS),
        int(totals[metric.count]),
        int(totals[JUDGED_UNPARSABLE if metric.failures else UNPARSABLE]),
        int(totals[FAILED_MEMBER] + totals[metric.failures]),
    )


def _interval(
    metric: Metric, tally: Tally, resampling: Resampling, seed: int, label: str
) -> Interval | None:
    if not metric.over:
        return resampling.interval(metric.pairs)
    # A group reduction is a mean over groups, so groups are what is drawn again.
    table = ClusterSums()
    values = group_table(metric, tally.totals)
    table.add_many(list(values), [{"value": value, "n": count} for value, count in values.values()])
    drawn = Resampling(table, seed=seed, label=label, replicates=resampling.replicates)
    return drawn.interval([("value", "n")])


def write_metrics(path: Path | str, rows: Iterable[MetricRow]) -> None:
    """Write rows as metrics.csv, atomically; an absent interval is an empty cell."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: "" if cell is None else cell for name, cell in asdict(row).items()})
    write_atomic(path, text.getvalue())


def read_metrics(path: Path | str) -> list[MetricRow]:
    """Read metrics.csv back; no rows without the file. Raises `DataError` if it is another file."""
    source = Path(path)
    if not source.exists():
        return []
    with source.open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise DataError(
                f"expected the columns {','.join(COLUMNS)}",
                file=str(source),
                fix="delete it; `score` makes it again",
            )
        try:
            return [_read_row(cells) for cells in table]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"line {table.line_num}: {error}",
                file=str(source),
                fix="delete it; `score` makes it again",
            ) from error


def _read_row(cells: Mapping[str, str]) -> MetricRow:
    benchmark, split, protocol, metric = (cells[name] for name in COLUMNS[:4])
    low, high = (float(cells[name]) if cells[name] else None for name in ("ci_low", "ci_high"))
    count, unparsable, failed = (int(cells[name]) for name in COLUMNS[-3:])
    value = float(cells["value"])
    return MetricRow(
        benchmark, split, protocol, metric, value, low, high, count, unparsable, failed
    )
