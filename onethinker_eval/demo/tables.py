"""Rows of the tables: the columns each VLMEvalKit data set has."""

from __future__ import annotations

from onethinker_eval.demo.asking import Group
from onethinker_eval.demo.media import png_base64

__all__ = ["mathvista_row", "mcq_row"]

Row = dict[str, object]


def mcq_row(number: int, group: Group, at: int) -> list[Row]:
    """Return a row of MMStar: index, question, A to D, answer, category, l2_category, image."""
    ask = group.asks[at]
    row: Row = {"index": number, "question": ask.question}
    row |= dict(zip("ABCD", ask.option_texts(), strict=True))
    row |= {"answer": ask.answer, "category": ask.category, "l2_category": ask.category}
    return [row | {"image": png_base64(group.picture.image())}]


def mathvista_row(number: int, group: Group, at: int) -> list[Row]:
    """Return a row of MathVista testmini for a number or a multiple choice question."""
    ask = group.asks[at]
    choices = repr(ask.option_texts()) if ask.options else None
    answer = str(ask.facts["text"]) if ask.options else ask.answer
    kind = "text" if ask.options else "float" if "." in answer else "integer"
    return [{
        "index": number + 1, "question": ask.question, "answer": answer,
        "question_type": "multi_choice" if ask.options else "free_form",
        "answer_type": kind, "answer_option": ask.answer if ask.options else None,
        "choices": choices, "task": ask.category, "skills": repr(["numeric commonsense"]),
        "image": png_base64(group.picture.image()),
    }]
