"""Scoring one stored reply under every protocol, doing shared work once.

An answer read as `strict` under the paper's rule is the same answer under the others, so it is
parsed once; where a type's metric is the same under several protocols, so is the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker_eval.answers import parse
from onethinker_eval.answers.values import Answer
from onethinker_eval.errors import DataError
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.scoring.api import normal_type, score_answer
from onethinker_eval.scoring.masks import score_masks, with_prompt
from onethinker_eval.scoring.result import Protocol, Score, failed_score

__all__ = ["score_line"]

_SAME_EVERYWHERE = frozenset({"temporal grounding", "spatial grounding", "numerical", "ocr"})
"""Types whose metric is one and the same under all three protocols (without a span rule)."""
_OFFICIAL_TWICE = frozenset(
    {"spatial-temporal grounding", "tracking", "segmentation", "regression", "open-ended"}
)
"""Types whose metric is the same under `official` and `repaired`."""


def score_line(
    line: Mapping[str, Any], plan: Plan, masks: Mapping[str, Any] | None = None
) -> dict[str, Score]:
    """Return the score of one line of a reply journal under each of the plan's protocols.

    `masks` is the sample's line of the mask journal: for a segmentation answer its masks are
    scored and the prompt's own scores stand beside them. A malformed truth fails the sample.
    Raises `KeyError` or `TypeError` for a line that is not of a reply journal.
    """
    if line["status"] != "ok":
        error = line.get("error") or {}
        return dict.fromkeys(plan.protocols, failed_score(str(error.get("kind", "unknown"))))
    record = line["record"]
    kind = normal_type(record["problem_type"])
    found: dict[str, Score] = {}
    try:
        for protocol in plan.protocols:
            found[protocol] = _scored(line, record, kind, plan, protocol, found)
    except DataError as error:
        return dict.fromkeys(plan.protocols, failed_score(f"truth: {error.problem}"))
    if kind == "segmentation" and masks is not None:
        return {
            protocol: _with_masks(score, record, masks, protocol)  # type: ignore[arg-type]
            for protocol, score in found.items()
        }
    return found


def _scored(
    line: Mapping[str, Any],
    record: Mapping[str, Any],
    kind: str,
    plan: Plan,
    protocol: Protocol,
    found: Mapping[str, Score],
) -> Score:
    options = record["options"]
    answer = _known_answer(found)
    if answer is None:
        reply = line["reply"]
        answer = parse(
            reply if isinstance(reply, str) else "",
            kind,
            data_type=record["data_type"],
            options=options,
            rule=protocol,
        )
    else:
        twin = _twin(kind, plan, protocol, found)
        if twin is not None:
            return twin
    return score_answer(
        answer,
        record["truth"],
        kind,
        data_type=record["data_type"],
        protocol=protocol,
        options=options,
        choice_rule=plan.choice_rule,
        span_rule=plan.span_rule,
        meta=record["meta"],
    )


def _known_answer(found: Mapping[str, Score]) -> Answer | None:
    paper = found.get("paper")
    if paper is not None and paper.answer is not None and paper.answer.reading == "strict":
        return paper.answer
    return None


def _twin(kind: str, plan: Plan, protocol: Protocol, found: Mapping[str, Score]) -> Score | None:
    """Return the score another protocol already gave to the same strict answer, if it is equal."""
    if plan.span_rule:
        return None
    if kind in _SAME_EVERYWHERE:
        return found.get("paper")
    if kind in _OFFICIAL_TWICE and protocol == "repaired":
        return found.get("official")
    return None


def _with_masks(
    prompt: Score, record: Mapping[str, Any], line: Mapping[str, Any], protocol: Protocol
) -> Score:
    truth = record["meta"].get("segmentation")
    if line.get("status", "ok") != "ok":
        return failed_score(str((line.get("error") or {}).get("kind", "masks")))
    rles = line.get("masks") if prompt.outcome == "scored" else None
    try:
        mask = score_masks(
            rles, truth, record["data_type"], protocol, reason=prompt.reason or "no_mask"
        )
    except DataError as error:
        return failed_score(f"masks: {error.problem}")
    return with_prompt(prompt, mask)
