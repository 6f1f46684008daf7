"""The corpus of messy replies: what each rule makes of every one of them.

Run as a script to bring the tables in docs/answers.md up to date with the corpus.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.answers import (
    FAILURES,
    PROBLEM_TYPES,
    REPAIRS,
    RULES,
    Answer,
    SegmentationPrompt,
    Tube,
    parse,
)

CORPUS = Path(__file__).parent / "data" / "parser_corpus.json"
PAGE = Path(__file__).parents[2] / "docs" / "answers.md"
START, END = "<!-- corpus tables: start -->", "<!-- corpus tables: end -->"

CASES: list[dict[str, Any]] = json.loads(CORPUS.read_text(encoding="utf-8"))


def reply_of(case: dict[str, Any]) -> str:
    text, times = case.get("pad", ("", 0))
    return case["reply"].replace("{pad}", text * times) if times else case["reply"]


def plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, Tube):
        return {"span_s": plain(value.span_s), "boxes": plain(value.boxes)}
    if isinstance(value, SegmentationPrompt):
        return {name: plain(getattr(value, name)) for name in SegmentationPrompt.__slots__}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def outcome(answer: Answer) -> dict[str, Any]:
    if answer.reading == "failed":
        return {"reading": "failed", "failure": answer.failure}
    found: dict[str, Any] = {"reading": answer.reading, "value": plain(answer.value)}
    if answer.repairs:
        found["repairs"] = list(answer.repairs)
    return found


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "case", CASES, ids=[f"{n}-{case['kind']}".replace(" ", "_") for n, case in enumerate(CASES)]
)
def test_reading(case: dict[str, Any], rule: Any) -> None:
    answer = parse(
        reply_of(case),
        case["type"],
        data_type=case.get("data_type", "image"),
        options=case.get("options"),
        rule=rule,
    )
    assert outcome(answer) == case[rule]


def test_corpus_is_large_and_reaches_every_name() -> None:
    assert len(CASES) >= 200
    assert {case["type"] for case in CASES} == set(PROBLEM_TYPES)
    repairs = {name for case in CASES for rule in RULES for name in case[rule].get("repairs", ())}
    failures = {case[rule].get("failure") for case in CASES for rule in RULES} - {None}
    assert repairs == set(REPAIRS)
    assert failures == set(FAILURES)


def test_what_is_strict_is_strict_with_one_value_under_every_rule() -> None:
    for case in CASES:
        if case["official"]["reading"] == "strict" and "quotes" not in case["kind"]:
            assert case["paper"] == case["official"] == case["repaired"], case["reply"]


def _cell(cases: list[dict[str, Any]], rule: str) -> str:
    counts: Counter[str] = Counter()
    for case in cases:
        found = case[rule]
        if found["reading"] == "failed":
            counts[f"fails: `{found['failure']}`"] += 1
        elif found["reading"] == "strict":
            counts["strict"] += 1
        else:
            counts["repaired: " + ", ".join(f"`{name}`" for name in found["repairs"])] += 1
    parts = [f"{text} ×{count}" if count > 1 else text for text, count in counts.most_common()]
    return "<br>".join(parts)


def _shown(case: dict[str, Any]) -> str:
    """A short example for the table: the answer part of the reply."""
    text = case["reply"].split("</think>")[-1].strip() or case["reply"].strip()
    if text.startswith("<answer>") and text.endswith("</answer>"):
        text = text[8:-9].strip() or text
    text = " ".join(text.split())
    text = text if len(text) <= 60 else text[:57] + "…"
    return "`" + text.replace("|", "\\|").replace("`", "ˋ") + "`" if text else "(nothing)"


def tables() -> str:
    """The two Markdown tables of docs/answers.md."""
    lines = [
        f"{len(CASES)} replies.",
        "",
        "| problem type | replies | paper: strict, repaired, failed | official | repaired |",
        "|---|---:|---|---|---|",
    ]
    for name in (*PROBLEM_TYPES, "all"):
        cases = [case for case in CASES if name in (case["type"], "all")]
        cells = []
        for rule in RULES:
            counts = Counter(case[rule]["reading"] for case in cases)
            cells.append(f"{counts['strict']}, {counts['repaired']}, {counts['failed']}")
        lines.append(f"| {name} | {len(cases)} | {' | '.join(cells)} |")
    lines += [
        "",
        "| kind of mess | types | example | paper | official | repaired |",
        "|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(case["kind"] for case in CASES):
        cases = [case for case in CASES if case["kind"] == kind]
        types = ", ".join(dict.fromkeys(case["type"] for case in cases))
        cells = [_cell(cases, rule) for rule in RULES]
        lines.append(f"| {kind} | {types} | {_shown(cases[0])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def names() -> str:
    """The two Markdown tables of failure codes and repairs."""
    lines = ["| failure | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in FAILURES.items()]
    lines += ["", "| repair | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in REPAIRS.items()]
    return "\n".join(lines)


def generated() -> str:
    return f"{START}\n{tables()}\n\n### Names\n\n{names()}\n{END}"


def test_page_holds_the_tables_of_the_corpus() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert generated() in page, "run: python tests/unit/test_answers_corpus.py"


if __name__ == "__main__":
    head, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(head + generated() + rest.split(END)[1], encoding="utf-8")
    print(tables().split("\n\n| kind")[0])
