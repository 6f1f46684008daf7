"""From a model's raw reply to a typed answer: `extract`, `parse`, `format_answer`, `wrap`.

>>> parse("<think>It is blue.</think><answer>B</answer>", "multiple choice").value
'B'
"""

from __future__ import annotations

from onethinker_eval.answers.extraction import extract, wrap
from onethinker_eval.answers.formatting import format_answer
from onethinker_eval.answers.reading import PROBLEM_TYPES, RULES, parse
from onethinker_eval.answers.values import (
    FAILURES,
    REPAIRS,
    Answer,
    Box,
    Extraction,
    Point,
    SegmentationPrompt,
    Span,
    Tube,
)

__all__ = [
    "FAILURES",
    "PROBLEM_TYPES",
    "REPAIRS",
    "RULES",
    "Answer",
    "Box",
    "Extraction",
    "Point",
    "SegmentationPrompt",
    "Span",
    "Tube",
    "extract",
    "format_answer",
    "parse",
    "wrap",
]
