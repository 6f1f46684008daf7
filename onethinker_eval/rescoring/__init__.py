"""From stored replies to scores and metrics, without a model: `rescore`.

Reads `replies/<task>.jsonl` (and the parts of several processes), writes `scores/<task>.jsonl` in
the order of sample ids and `metrics.csv`, both atomically. Memory does not grow with the journal;
large journals are shared by all cores. The bytes written depend on the replies alone: not on their
order, the number of processes or the size of the chunks. Neither torch nor lmms-eval is imported.

A line of a score file: `{"id", "cluster", "group"?, "<protocol>": {"accuracy", "outcome",
"reason", "reading", "statistics", "components"}, …}`.
"""

from __future__ import annotations

from onethinker_eval.rescoring.journals import read_clusters, read_scores
from onethinker_eval.rescoring.merging import Changes
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.rescore import (
    Rescored,
    TaskScores,
    metric_changes,
    rescore,
    rescore_task,
)
from onethinker_eval.rescoring.rows import (
    COLUMNS,
    MetricRow,
    metric_rows,
    read_metrics,
    write_metrics,
)
from onethinker_eval.rescoring.sample import score_line

__all__ = [
    "COLUMNS",
    "Changes",
    "MetricRow",
    "Plan",
    "Rescored",
    "TaskScores",
    "metric_changes",
    "metric_rows",
    "read_clusters",
    "read_metrics",
    "read_scores",
    "rescore",
    "rescore_task",
    "score_line",
    "write_metrics",
]
