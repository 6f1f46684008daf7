"""Putting a judge's verdict beside the scores by rule: the same code asks and scores again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.judging.cases import Asking, JudgeFailed, JudgeSample, Verdict, shortened
from onethinker_eval.judging.journal import Judge
from onethinker_eval.judging.measures import JUDGED_PROTOCOLS
from onethinker_eval.judging.roles import ROLES, rewards
from onethinker_eval.rescoring.rows import JUDGED_UNPARSABLE
from onethinker_eval.scoring.api import normal_type
from onethinker_eval.scoring.result import Protocol, Score
from onethinker_eval.scoring.truths import read_truth

__all__ = ["sample_of", "with_judgements"]


def sample_of(
    line: Mapping[str, Any], score: Score, protocol: Protocol, choice_rule: str
) -> JudgeSample:
    """Return what a role sees of a journal's line; raises `DataError` for a malformed truth."""
    record = line["record"]
    kind = normal_type(record["problem_type"])
    truth = read_truth(record["truth"], kind, record["data_type"], cached=False)
    return JudgeSample(
        id=record["id"],
        question=record["question"],
        options=tuple(record["options"]),
        truth=str(truth),
        kind=kind,
        data_type=record["data_type"],
        meta=record["meta"],
        answer=_text(score, line["reply"]),
        score=score,
        protocol=protocol,
        choice_rule=choice_rule,
    )


def _text(score: Score, reply: Any) -> str:
    """Return the answer's text; of one too long for the reader, the end of the reply."""
    answer = score.answer
    if answer is None:
        return ""
    if answer.failure == "too_long" and isinstance(reply, str):
        return shortened(reply)
    return answer.text


def with_judgements(
    scores: Mapping[str, Score],
    line: Mapping[str, Any],
    judge: Judge,
    role: str,
    choice_rule: str,
    asking: Asking,
) -> dict[str, Score]:
    """Return `scores` with the statistics of what the judge says of each protocol's answer.

    Protocols that share a score share its judgement. Failed samples stay as they are.
    """
    done: dict[int, Score] = {}
    found = dict(scores)
    for protocol in JUDGED_PROTOCOLS:
        score = scores.get(protocol)
        if score is None or score.outcome == "failed":
            continue
        if id(score) not in done:
            sample = sample_of(line, score, protocol, choice_rule)
            done[id(score)] = _judged(sample, judge, role, asking)
        found[protocol] = done[id(score)]
    return found


def _judged(sample: JudgeSample, judge: Judge, role: str, asking: Asking) -> Score:
    score = sample.score
    statistics, components = dict(score.statistics), dict(score.components)
    if judge.model and role in ROLES:
        try:
            verdict = ROLES[role](sample, asking)
        except JudgeFailed:
            verdict = Verdict({"judge failed": 1})
        except DataError:
            verdict = Verdict({"judge failed": 1}, asked=False)
        statistics |= {**verdict.statistics, "judge asked": 1 if verdict.asked else 0}
        components |= verdict.components
        if not verdict.asked and score.outcome == "unparsable":
            statistics[JUDGED_UNPARSABLE] = 1
    if judge.reward_model and sample.kind in rewards.KINDS:
        try:
            verdict = rewards.judge(sample, asking)
        except JudgeFailed:
            verdict = Verdict({"reward failed": 1})
        statistics |= verdict.statistics
        components |= verdict.components
    return replace(score, statistics=statistics, components=components)
