"""Mutated replies through every parser under every rule, within time and memory limits.

pytest tests/faults/test_answers_fuzz.py                 a seeded sample
pytest tests/faults/test_answers_fuzz.py --runslow       all 200,000
"""

from __future__ import annotations

import json
import math
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.answers import (
    FAILURES,
    REPAIRS,
    RULES,
    Answer,
    SegmentationPrompt,
    Tube,
    extract,
    parse,
)

CORPUS = Path(__file__).parents[1] / "unit" / "data" / "parser_corpus.json"
TYPES = (
    ("multiple choice", "image"),
    ("numerical", "image"),
    ("math", "image"),
    ("ocr", "image"),
    ("temporal grounding", "video"),
    ("spatial grounding", "image"),
    ("spatial-temporal grounding", "video"),
    ("tracking", "video"),
    ("segmentation", "image"),
    ("segmentation", "video"),
)
OPTIONS = ("A. red", "B. dark red", "C. 5 boats", "D. under the sofa")
SHARDS = (
    "<think>", "</think>", "<answer>", "</answer>", "<ANSWER>", "< /answer >", "```json\n", "```",
    "\\boxed{", "\\frac{1}{2}", "$", "**", "{", "}", "[", "]", "(", ")", '"', "'", "\\", ",", ":",
    "-", ".", "e400", "NaN", "Infinity", "null", "true", "9" * 400, "1e", "0x1F", "\x00", "\ud800",
    "\udfff", "\u202e", "٣", "３", "，", "：", "“", "\u00a0", "\ufeff", "🙂", "//", "/*", "...",
    " to ", "between 3 and ", "Answer: B", "答案是", "0:75", "12:30:61", "%", " px", "frame 3",
    '{"time": [1, 2]}', '{"boxes": [1, 2, 3, 4]}', '"1": [1, 2, 3, 4],', "\n", " " * 50,
    "<|im_end|>",
)  # fmt: skip


def bases() -> list[str]:
    cases = json.loads(CORPUS.read_text(encoding="utf-8"))
    return [case["reply"][:4000] for case in cases]


def mutate(rng: random.Random, replies: list[str]) -> str:
    text = rng.choice(replies)
    for _ in range(rng.randint(1, 6)):
        a = rng.randint(0, len(text))
        b = min(len(text), a + rng.randint(0, 40))
        kind = rng.randrange(8)
        if kind <= 1:
            text = text[:a] + rng.choice(SHARDS) + text[a:]
        elif kind == 2:
            text = text[:a] + text[b:]
        elif kind == 3:
            text = text[:a]
        elif kind == 4:
            other = rng.choice(replies)
            text = text[:a] + other[rng.randint(0, len(other)) :]
        elif kind == 5:
            text = text[:b] + text[a:b] * rng.randint(1, 30) + text[b:]
        elif kind == 6 and a < len(text):
            text = (
                text[:a]
                + chr(rng.choice((rng.randrange(128), rng.randrange(0x3000))))
                + text[a + 1 :]
            )
        else:
            text = text[:a] + str(rng.choice((rng.randrange(2000), rng.random()))) + text[b:]
    return text[:20_000]


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Tube):
        yield from numbers((value.span_s, value.boxes))
    elif isinstance(value, SegmentationPrompt):
        yield from numbers((value.box_1000, value.positive_points, value.negative_points))
        yield from numbers(value.time_s)
    elif isinstance(value, dict):
        for key, item in value.items():
            assert type(key) is int
            yield from numbers(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)
    elif value is not None:
        assert type(value) is float
        yield value


def boxes(value: Any, kind: str) -> list[Any]:
    if kind == "spatial grounding":
        return [value]
    if kind == "tracking":
        return list(value.values())
    if kind == "spatial-temporal grounding":
        return list(value.boxes.values())
    return [value.box_1000] if kind == "segmentation" and value.box_1000 else []


def check(answer: Answer, kind: str, rule: str) -> None:
    """Everything that holds for any reply at all."""
    seen = (kind, rule, answer)
    assert set(answer.repairs) <= set(REPAIRS), seen
    assert len(set(answer.repairs)) == len(answer.repairs)
    if answer.reading == "failed":
        assert answer.value is None
        assert answer.failure in FAILURES
        assert not answer.repairs
        return
    assert answer.failure is None
    assert answer.value is not None
    assert (answer.reading == "strict") == (not answer.repairs), seen
    value = answer.value
    if kind in ("math", "ocr", "multiple choice"):
        assert isinstance(value, str)
        assert value
        if kind == "multiple choice" and rule != "official":
            assert value in set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            assert rule == "paper" or value in "ABCD"
        return
    assert all(math.isfinite(number) for number in numbers(value))
    if rule == "paper":
        return
    for x1, y1, x2, y2 in boxes(value, kind):
        assert 0 <= x1 <= x2 <= 1000
        assert 0 <= y1 <= y2 <= 1000
    spans = {"temporal grounding": value, "spatial-temporal grounding": getattr(value, "span_s", 0)}
    if kind in spans:
        assert 0 <= spans[kind][0] <= spans[kind][1]


def run(count: int, seed: int) -> dict[str, float]:
    """Parse `count` mutated replies; return figures; raise on any broken promise."""
    rng = random.Random(seed)
    replies = bases()
    slowest, slow_reply, longest = 0.0, "", 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    for _ in range(count):
        reply = mutate(rng, replies)
        longest = max(longest, len(reply))
        begin = time.thread_time()
        extract(reply)
        for kind, data_type in TYPES:
            strict = None
            for rule in RULES:
                answer = parse(reply, kind, data_type=data_type, options=OPTIONS, rule=rule)
                try:
                    check(answer, kind, rule)
                except AssertionError as error:
                    raise AssertionError(reply) from error
                if rule == "official" and answer.reading == "strict":
                    strict = answer.value
                if rule == "repaired" and strict is not None:
                    assert answer.reading == "strict"
                    assert answer.value == strict
        spent = time.thread_time() - begin
        if spent > slowest:
            slowest, slow_reply = spent, reply
    assert slowest < 2.0, (slowest, slow_reply[:2000])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "replies": count,
        "seconds": time.perf_counter() - started,
        "slowest reply, all parsers, ms": 1000 * slowest,
        "longest reply": longest,
        "memory grown, MiB": grown,
    }


def test_sample_of_mutated_replies() -> None:
    figures = run(1_500, seed=20260)
    assert figures["memory grown, MiB"] < 200


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_mutated_replies() -> None:
    figures = run(200_000, seed=20261)
    print(figures, file=sys.stderr)
    assert figures["memory grown, MiB"] < 200


HUGE = 10_000_000


@pytest.mark.parametrize(
    "reply",
    [
        "<" * HUGE,
        " " * HUGE + "x",
        "<answer>" * (HUGE // 8),
        "<think>" * (HUGE // 7) + "</think>",
        "<answer>" + " " * HUGE + "</answer>",
        "<answer>" + "[" * HUGE + "</answer>",
        "<answer>" + "9" * HUGE + "</answer>",
        "9" * HUGE,
        "<|a|>" * (HUGE // 5) + "x>",
        "\\boxed{" * (HUGE // 7),
        "Answer: " * (HUGE // 8),
        "\ud800" * HUGE,
    ],
    ids=lambda reply: reply[:12].encode("unicode_escape").decode().replace(" ", "_"),
)
def test_ten_million_characters(reply: str) -> None:
    begin = time.thread_time()
    extract(reply)
    for kind, data_type in TYPES[:6]:
        for rule in RULES:
            check(parse(reply, kind, data_type=data_type, options=OPTIONS, rule=rule), kind, rule)
    assert time.thread_time() - begin < 20


REPEATED = (
    "<answer>", "</think>", "<|a|>", "[", "{", "(", '"', "'", "\\", "\\\\", "\\boxed{", "```", "1 ",
    "1,",
    "1.", "12:", "1:1 ", "3 to ", "a", " ", "\n", "//", "/*", "*", "_", "$", "Answer: ", "B, ",
    "B and ",
    "x1=3 ", "[1,2,3,4] ", '{"time": ', "1: [1,2,3,4] ", "{a:", "[[1", "٣", "，", "-", "1 min ",
    "=1",
    "final answer ", "red ", "the answer is ", "1/2 ", "\\frac{1}", "e5", "0" , "::", "1'",
)  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED, ids=lambda unit: ascii(unit).replace(" ", "_"))
def test_time_grows_linearly(unit: str) -> None:
    """Ten times the text may take at most about ten times the time: no catastrophic pattern."""

    def spent(size: int) -> float:
        body = unit * (size // len(unit))
        best = math.inf
        for _ in range(2):
            begin = time.thread_time()
            for kind, data_type in TYPES:
                for reply in (body, f"<answer>{body}</answer>"):
                    parse(reply, kind, data_type=data_type, options=OPTIONS)
            best = min(best, time.thread_time() - begin)
        return best

    small, large = spent(1_900), spent(19_000)
    assert large < 30 * small + 0.02, (small, large)
