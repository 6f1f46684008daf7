"""The paper's rule for one reply, written plainly from its definition: a peer to compare with.

Slow on purpose: regular expressions, `json`, nested loops, a word table for the error rate. It is
what a straightforward implementation of the published evaluator does, crash by crash mended, and
shares no code with the package. Mathematics and captions are left out: both are library calls.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)


def answer_of(reply: str) -> str:
    """The first answer tag, else everything."""
    found = ANSWER.search(reply)
    inside = found.group(1).strip() if found else reply.strip()
    return inside or reply.strip()


def numbers(value: Any, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    try:
        return [float(item) for item in value]
    except (TypeError, ValueError):
        return None


def span_overlap(a: Any, b: Any) -> float:
    first, second = numbers(a, 2), numbers(b, 2)
    if first is None or second is None:
        return 0.0
    shared = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    hull = max(first[1], second[1]) - min(first[0], second[0])
    return shared / hull if hull > 1e-12 else 0.0


def box_overlap(a: Any, b: Any) -> float:
    first, second = numbers(a, 4), numbers(b, 4)
    if first is None or second is None:
        return 0.0
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (first, second)]
    union = sum(areas) - width * height
    return width * height / union if union > 1e-12 else 0.0


def word_error_rate(truth: str, answer: str) -> float:
    expected, got = truth.split(), answer.split()
    table = [[0] * (len(got) + 1) for _ in range(len(expected) + 1)]
    for i in range(len(expected) + 1):
        table[i][0] = i
    for j in range(len(got) + 1):
        table[0][j] = j
    for i, word in enumerate(expected, start=1):
        for j, other in enumerate(got, start=1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (word != other),
            )
    return table[-1][-1] / max(1, len(expected))


def relative_accuracy(answer: float, truth: float) -> float:
    if abs(truth) < 1e-12:
        return 0.0
    error = abs(answer - truth) / abs(truth)
    return sum(error < 1.0 - (0.5 + 0.05 * k) for k in range(10)) / 10.0


def point_similarity(a: Any, b: Any) -> float:
    best = min(
        sum(math.hypot(p[0] - q[0], p[1] - q[1]) for p, q in zip(order, b, strict=True))
        for order in itertools.permutations(a)
    )
    return math.exp(-((best / 3.0) ** 2) / (2 * 50.0**2))


def number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def language(kind: str, answer: str, truth: str) -> float:
    if kind == "multiple choice":
        return float(bool(answer) and answer[:1].upper() == truth[:1].upper())
    if kind in ("numerical", "regression"):
        got, expected = number(answer), number(truth)
        if got is None or expected is None:
            return 0.0
        if kind == "numerical":
            return float(round(got, 2) == round(expected, 2))
        return relative_accuracy(got, expected)
    if kind == "ocr":
        return max(0.0, min(1.0, 1.0 - word_error_rate(truth, answer)))
    from rouge_score import rouge_scorer

    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = scorer.score(truth, answer)
    return sum(score.fmeasure for score in scores.values()) / 3.0


def perception(kind: str, got: Any, truth: Any, data_type: str) -> float:
    if not isinstance(got, dict):
        return 0.0
    if kind == "temporal grounding":
        return span_overlap(got.get("time"), truth["time"])
    if kind == "spatial grounding":
        return box_overlap(got.get("boxes"), truth["boxes"])
    boxes, expected = got.get("boxes"), truth["boxes"]
    if kind == "tracking":
        found = boxes if isinstance(boxes, dict) else {}
        return sum(box_overlap(found.get(key), box) for key, box in expected.items()) / len(
            expected
        )
    if kind == "spatial-temporal grounding":
        found = boxes if isinstance(boxes, dict) else {}
        common = [box_overlap(box, expected[key]) for key, box in found.items() if key in expected]
        mean = sum(common) / len(common) if common else 0.0
        return 0.5 * span_overlap(got.get("time"), truth["time"]) + 0.5 * mean
    overlap = box_overlap(boxes, expected)
    points = [
        point_similarity(got[name], truth[name]) for name in ("positive_points", "negative_points")
    ]
    if data_type == "image":
        return 0.5 * overlap + 0.25 * points[0] + 0.25 * points[1]
    closeness = math.exp(-abs(got["time"] - truth["time"]) / 2.0)
    return 0.3 * overlap + 0.3 * closeness + 0.2 * points[0] + 0.2 * points[1]


LANGUAGE = ("multiple choice", "numerical", "regression", "ocr", "open-ended")


def accuracy(reply: str, truth: str, kind: str, data_type: str = "image") -> float:
    """The paper's accuracy of a reply, 0..1; `truth` is the released solution string."""
    answer, gold = answer_of(reply), answer_of(truth)
    if kind in LANGUAGE:
        return language(kind, answer, gold)
    return perception(kind, loaded(answer), loaded(gold), data_type)
