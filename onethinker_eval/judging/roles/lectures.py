"""Video-MMLU: questions about a lecture, answered from the model's description of it alone.

Each question is a judgement of its own, stored under its own key; the upstream scorer stores one
result per video and loses the rest. A question that fails is in no mean; the others stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from onethinker_eval.judging.cases import (
    Asking,
    JudgeFailed,
    JudgeSample,
    Unreadable,
    Verdict,
    plain_reply,
    shortened,
)

__all__ = ["POINTS", "judge"]

POINTS = 5
"""The most points a question gives."""

_RIGHT = re.compile(r"""["']?right["']?\s{0,3}[:=]\s{0,3}["']?(yes|no)\b""", re.IGNORECASE)
_POINTS = re.compile(r"""["']?points["']?\s{0,3}[:=]\s{0,3}["']?([0-5](?:\.\d{1,3})?)\b""")


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Let the judge answer each question from the description, and grade its answers.

    A description that holds nothing answers no question.
    """
    questions = [
        item
        for item in sample.meta.get("questions") or ()
        if isinstance(item, Mapping) and {"question", "answer"} <= item.keys()
    ]
    caption = sample.answer.strip() if sample.score.outcome == "scored" else ""
    right, points, failed = 0, 0.0, 0
    for item in questions if caption else ():
        try:
            verdict = _question(caption, item, ask)
        except JudgeFailed:
            failed += 1
        else:
            right, points = right + verdict[0], points + verdict[1]
    judged = len(questions) - failed
    statistics: dict[str, int | float] = {
        "questions": judged,
        "questions right": right,
        "question points": points,
        # a hundredfold count, as a metric is 100 · Σ numerator / Σ denominator and points are not %
        "question points of": 100 * judged,
    }
    if failed:
        statistics |= {"questions failed": failed, "judge failed": 1}
    share = right / judged if judged else 0.0
    return Verdict(statistics, {"question accuracy": share}, asked=bool(caption))


def _question(caption: str, item: Mapping[str, Any], ask: Asking) -> tuple[int, float]:
    question, truth = str(item["question"]), str(item["answer"])
    told = {"caption": shortened(caption), "question": question}
    answer = ask.text("answer_from_caption", told, _said)
    return ask.text(
        "grade_answer", {"question": question, "truth": truth, "answer": answer}, _grade
    )


def _said(reply: str) -> str:
    text = plain_reply(reply)
    if not text:
        raise Unreadable("expected an answer")
    return text


def _grade(reply: str) -> tuple[int, float]:
    text = plain_reply(reply)
    right, points = _RIGHT.search(text), _POINTS.search(text)
    if not right or not points:
        raise Unreadable('expected {"right": "yes" or "no", "points": 0 to 5}')
    value = float(points[1])
    if value > POINTS:
        raise Unreadable(f"expected at most {POINTS} points")
    return (1 if right[1].lower() == "yes" else 0), value
