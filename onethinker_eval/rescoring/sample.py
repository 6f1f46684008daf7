"""Scoring one stored reply under every protocol, doing shared work once.

An answer read as `strict` under the paper's rule is the same answer under the others, so it is
parsed once; where a type's metric is the same under several protocols, so is the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onethinker_eval.answers import parse
from onethinker_eval.answers.values import Answer
from onethinker_eval.errors import DataError
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.scoring.api import TIME_LIMIT_S, normal_type, score_case
from onethinker_eval.scoring.case import Case
from onethinker_eval.scoring.masks import score_masks, with_prompt
from onethinker_eval.scoring.result import Protocol, Score, failed_score
from onethinker_eval.scoring.truths import read_truth

if TYPE_CHECKING:
    from onethinker_eval.judging.cases import Asking

__all__ = ["score_line"]

_SAME_EVERYWHERE = ("temporal grounding", "spatial grounding", "numerical", "ocr")
_OFFICIAL_TWICE = ("spatial-temporal grounding", "tracking", "segmentation", "regression")
_TWINS: dict[str, dict[str, str]] = {
    "paper": {},
    "official": dict.fromkeys(_SAME_EVERYWHERE, "paper"),
    "repaired": {
        **dict.fromkeys(_SAME_EVERYWHERE, "paper"),
        **dict.fromkeys((*_OFFICIAL_TWICE, "open-ended"), "official"),
    },
}
"""Under a protocol, which earlier one gives the same score to the same strict answer."""


def score_line(
    line: Mapping[str, Any],
    plan: Plan,
    masks: Mapping[str, Any] | None = None,
    asking: Asking | None = None,
) -> dict[str, Score]:
    """Return the score of one line of a reply journal under each of the plan's protocols.

    `masks` is the sample's line of the mask journal: for a segmentation answer its masks are
    scored and the prompt's own scores stand beside them. `asking` gives what the plan's judge said
    of the answer, which stands beside the scores too. A malformed truth fails the sample.
    Raises `KeyError` or `TypeError` for a line that is not of a reply journal.
    """
    if line["status"] != "ok":
        error = line.get("error") or {}
        return dict.fromkeys(plan.protocols, failed_score(str(error.get("kind", "unknown"))))
    record = line["record"]
    kind = normal_type(record["problem_type"])
    try:
        found = _scores(line["reply"], record, kind, plan)
    except DataError as error:
        return dict.fromkeys(plan.protocols, failed_score(f"truth: {error.problem}"))
    if kind == "segmentation" and masks is not None:
        return {
            protocol: _with_masks(score, record, masks, protocol)  # type: ignore[arg-type]
            for protocol, score in found.items()
        }
    if asking is not None and plan.judge is not None:
        from onethinker_eval.judging.apply import with_judgements

        return with_judgements(found, line, plan.judge, plan.role, plan.choice_rule, asking)
    return found


def _scores(reply: Any, record: Mapping[str, Any], kind: str, plan: Plan) -> dict[str, Score]:
    text = reply if isinstance(reply, str) else ""
    data_type, options = record["data_type"], record["options"]
    if kind == "segmentation" and record["truth"] is None:
        return {name: _unmeasured_prompt(text, data_type, name) for name in plan.protocols}
    truth = read_truth(record["truth"], kind, data_type, cached=False)
    found: dict[str, Score] = {}
    answer: Answer | None = None
    for protocol in plan.protocols:
        twin = None
        if answer is None or answer.reading != "strict":
            answer = parse(text, kind, data_type=data_type, options=options, rule=protocol)
        elif not plan.span_rule:
            twin = found.get(_TWINS[protocol].get(kind, ""))
        if twin is None:
            case = Case(
                answer,
                truth,
                protocol,
                data_type,
                options,
                plan.choice_rule,
                plan.span_rule,
                record["meta"],
                TIME_LIMIT_S,
            )
            twin = score_case(case, kind)
        found[protocol] = twin
    return found


def _unmeasured_prompt(reply: str, data_type: str, protocol: Protocol) -> Score:
    """Return whether a prompt could be read, where the data hold masks but no prompt to match."""
    answer = parse(reply, "segmentation", data_type=data_type, rule=protocol)
    if answer.failure is None:
        return Score(0.0, {}, "scored", None, answer.reading, {}, answer)
    counts = {"unparsable": 1}
    return Score(0.0, {}, "unparsable", answer.failure, answer.reading, counts, answer)


def _with_masks(
    prompt: Score, record: Mapping[str, Any], line: Mapping[str, Any], protocol: Protocol
) -> Score:
    truth = record["meta"].get("segmentation")
    if line.get("status", "ok") != "ok":
        return failed_score(str((line.get("error") or {}).get("kind", "masks")))
    if protocol not in line.get("protocols", (protocol,)):
        return prompt  # masks were made for other protocols only
    others = line.get("by_protocol") or {}
    rles = others[protocol] if protocol in others else line.get("masks")
    if prompt.outcome != "scored":
        rles = None
    try:
        mask = score_masks(
            rles, truth, record["data_type"], protocol, reason=prompt.reason or "no_mask"
        )
    except DataError as error:
        return failed_score(f"masks: {error.problem}")
    return with_prompt(prompt, mask)
