"""What is kept of many scores under one protocol: exact sums, sums by cluster, reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.scoring.definitions import FAILED_MEMBER, with_category
from onethinker_eval.scoring.result import Score
from onethinker_eval.statistics import ClusterSums
from onethinker_eval.totals import Number, Totals, columns_of

__all__ = ["Belonging", "Tally", "tally"]


class Belonging(NamedTuple):
    """Where a sample belongs: its image or video, its circular question, its category."""

    cluster: str
    group: str = ""
    category: str = ""


@dataclass(slots=True)
class Tally:
    """Sums over scores; merging tallies in any order gives the same tally bit for bit.

    `reasons` counts (outcome, reason) of samples that were not scored.
    """

    totals: Totals = field(default_factory=Totals)
    clusters: ClusterSums = field(default_factory=ClusterSums)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def merge(self, other: Tally) -> None:
        """Add the sums of `other`."""
        self.totals.merge(other.totals)
        self.clusters.merge(other.clusters)
        self.reasons.update(other.reasons)


def tally(scores: Sequence[Score], belongings: Sequence[Belonging], plan: Plan) -> Tally:
    """Return the tally of some scores; failed samples count as failed and in nothing else.

    >>> from onethinker_eval.scoring import failed_score
    >>> plan = Plan("onethinker_x", "x", "", "math", "image")
    >>> tally([failed_score("timeout")], [Belonging("a.png")], plan).totals["failed"]
    1.0
    """
    result = Tally()
    result.reasons.update(
        (score.outcome, score.reason or "") for score in scores if score.outcome != "scored"
    )
    counted = [i for i, score in enumerate(scores) if score.outcome != "failed"]
    statistics: list[Mapping[str, Number]] = []
    for place in counted:
        numbers, category = scores[place].statistics, belongings[place].category
        statistics.append(with_category(numbers, category) if category else numbers)
    clusters = [belongings[place].cluster for place in counted]
    for places, columns in columns_of(statistics):
        result.totals.add_columns(columns)
        result.clusters.add_columns([clusters[place] for place in places], columns)
    if len(counted) < len(scores):
        result.totals.add({FAILED_MEMBER: len(scores) - len(counted)})
    _add_groups(result.totals, scores, belongings, plan)
    return result


def _add_groups(
    totals: Totals, scores: Sequence[Score], belongings: Sequence[Belonging], plan: Plan
) -> None:
    by_cluster = bool(plan.span_rule)
    if not by_cluster and not any(belonging.group for belonging in belongings):
        return
    for score, belonging in zip(scores, belongings, strict=True):
        failed = score.outcome == "failed"
        if belonging.group:
            numbers = {FAILED_MEMBER: 1} if failed else score.statistics
            totals.add_group("group", belonging.group, numbers)
        if by_cluster and not failed:
            totals.add_group("cluster", belonging.cluster, score.statistics)
