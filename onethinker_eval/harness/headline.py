"""A task's headline inside lmms-eval: the same scores and sums as `score`, one reply at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.harness.replies import Reply
from onethinker_eval.harness.task_data import task_of
from onethinker_eval.records import Record

__all__ = ["FAILED_REPLY", "headline_value", "score_for_sum"]

FAILED_REPLY = "[LMMS_EVAL_REQUEST_FAILED"
"""What lmms-eval's API models return in place of a reply that could not be had."""

PROTOCOL = "paper"


def score_for_sum(task: Task, record: Record, reply: str) -> dict[str, Any]:
    """Return what `headline_value` needs of one reply, and its `score` (0..1) for other readers.

    A reply that says the request failed is no answer: it stays out of the mean.
    """
    from onethinker_eval.rescoring.plan import Plan
    from onethinker_eval.rescoring.sample import score_line

    plan = Plan.of(task, [PROTOCOL])
    failure = ("request", reply) if reply.startswith(FAILED_REPLY) else None
    line = Reply(reply, failure).line("", record)
    score = score_line(line, plan)[PROTOCOL]
    return {
        "task": task.id,
        "id": record.id,
        "score": score.accuracy,
        "scores": score.to_json(),
        "cluster": record.cluster or record.id,
        "group": str(record.meta.get("group", "") or ""),
        "category": str(record.meta.get(plan.breakdown, "") or "") if plan.breakdown else "",
    }


def headline_value(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the headline metric of the rows of one task, in percent; NaN without any score."""
    from onethinker_eval.rescoring.plan import Plan
    from onethinker_eval.rescoring.tally import Belonging, tally
    from onethinker_eval.scoring import Score
    from onethinker_eval.scoring.definitions import measure

    if not rows:
        return math.nan
    task = task_of(rows[0]["task"])
    plan = Plan.of(task, [PROTOCOL])
    scores = [Score(**row["scores"], answer=None) for row in rows]
    places = [Belonging(row["cluster"], row["group"], row["category"]) for row in rows]
    totals = tally(scores, places, plan).totals
    named = {metric.name: metric for metric in plan.metrics(PROTOCOL, totals.sums)}
    metric = named.get(str(task.headline.get(PROTOCOL))) or next(iter(named.values()))
    value = measure(metric, totals)
    return math.nan if value is None else round(value, 6)
