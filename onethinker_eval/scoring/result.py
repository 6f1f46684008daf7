"""What scoring one sample yields, and the three states a sample can be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from onethinker_eval.answers.values import Answer

__all__ = [
    "PROTOCOLS",
    "Measured",
    "Outcome",
    "Protocol",
    "Score",
    "at_thresholds",
    "failed_score",
]

Protocol = Literal["paper", "official", "repaired"]
Outcome = Literal["scored", "unparsable", "failed"]

PROTOCOLS: tuple[Protocol, ...] = ("paper", "official", "repaired")
"""`paper` decides the published numbers, `official` is each benchmark's own rule, `repaired` is
the official metric on a repairing reader (shown, never the headline)."""

Measured = tuple[float, dict[str, float], dict[str, int | float]]
"""Accuracy 0..1, components, additive statistics: what one problem type's rule returns."""


@dataclass(frozen=True, slots=True)
class Score:
    """One sample's score.

    `accuracy` is 0..1, and 0.0 unless `outcome` is "scored" (LITA's own rule alone gives an
    unreadable span the whole video). `components` are named as in the
    paper's tables (tIoU, sIoU, IoU, AO, R@0.5, …), each 0..1 unless its definition says otherwise.
    `reason` says why a sample is unparsable or failed. `statistics` add up over samples (see
    `onethinker_eval.totals`): `n` counts, the rest are the numerators and denominators that
    `onethinker_eval.scoring.definitions` names; a failed sample has none.
    """

    accuracy: float
    components: Mapping[str, float]
    outcome: Outcome
    reason: str | None
    reading: str
    statistics: Mapping[str, int | float]
    answer: Answer | None

    def to_json(self) -> dict[str, Any]:
        """Return what the scores file keeps: everything but the answer."""
        return {
            "accuracy": self.accuracy,
            "outcome": self.outcome,
            "reason": self.reason,
            "reading": self.reading,
            "statistics": self.statistics,
            "components": self.components,
        }


def failed_score(reason: str) -> Score:
    """Return the score of a sample that was never answered: no statistics, so in no mean.

    >>> failed_score("media_missing").outcome
    'failed'
    """
    return Score(0.0, {}, "failed", reason, "failed", {}, None)


def at_thresholds(value: float, names: Mapping[str, float]) -> dict[str, int]:
    """Return 1 for each named threshold that `value` reaches (≥), else 0.

    >>> at_thresholds(0.5, {"R@0.3": 0.3, "R@0.5": 0.5, "R@0.7": 0.7})
    {'R@0.3': 1, 'R@0.5': 1, 'R@0.7': 0}
    """
    return {name: 1 if value >= limit else 0 for name, limit in names.items()}
