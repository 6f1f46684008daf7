"""Scores: one sample's answer against its truth, under three named protocols.

- `paper`: what decides the published numbers (R@t with ≥, video-level R@t on GOT-10k, the first
  frame included, sIoU over common seconds, upstream's boundary F), without upstream's crashes;
- `official`: each benchmark's own evaluator (GOT-10k's pooled AO and SR, vIoU over the union,
  DAVIS J and F, VSI-Bench's MRA, VLMEvalKit's letter rules);
- `repaired`: the official metric on answers that a repairing reader could save.

Three outcomes are kept apart: "scored"; "unparsable", which scores 0 and is counted with its
reason; "failed", which never was a reply and is in no mean.
"""

from __future__ import annotations

from onethinker_eval.scoring.api import (
    PROBLEM_TYPES,
    TIME_LIMIT_S,
    normal_type,
    score,
    score_answer,
)
from onethinker_eval.scoring.language import CHOICE_RULES
from onethinker_eval.scoring.result import PROTOCOLS, Outcome, Protocol, Score, failed_score
from onethinker_eval.scoring.truths import read_truth

__all__ = [
    "CHOICE_RULES",
    "PROBLEM_TYPES",
    "PROTOCOLS",
    "TIME_LIMIT_S",
    "Outcome",
    "Protocol",
    "Score",
    "failed_score",
    "normal_type",
    "read_truth",
    "score",
    "score_answer",
]
