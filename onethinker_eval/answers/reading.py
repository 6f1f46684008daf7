"""From a raw reply to a typed answer, under one of three rules.

- `paper`: what the authors' evaluator accepts, without its crashes;
- `official`: the last answer tag outside the thinking, in the schema asked for;
- `repaired`: the same, and what models write instead of it when only one reading is possible.

What is strictly right reads the same under all three. No rule sees the truth or guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onethinker_eval.answers.boxes import BOX
from onethinker_eval.answers.extraction import extract, first_answer, strict_body
from onethinker_eval.answers.letters import LETTER
from onethinker_eval.answers.numbers import NUMBER
from onethinker_eval.answers.prompts import IMAGE_PROMPT, VIDEO_PROMPT
from onethinker_eval.answers.schema import Context, Reader, Schema
from onethinker_eval.answers.spans import SPAN
from onethinker_eval.answers.texts import MATH, TEXT
from onethinker_eval.answers.tracks import TRACK, TUBE
from onethinker_eval.answers.values import (
    MAX_REPLY_CHARS,
    Answer,
    Extraction,
    Rule,
    UnreadableError,
)
from onethinker_eval.errors import UsageError, unknown_name

__all__ = ["PROBLEM_TYPES", "RULES", "parse", "problem_key"]

_SCHEMAS: dict[str, Schema] = {
    "multiple choice": LETTER,
    "numerical": NUMBER,
    "regression": NUMBER,
    "math": MATH,
    "ocr": TEXT,
    "open-ended": TEXT,
    "caption": TEXT,
    "temporal grounding": SPAN,
    "spatial grounding": BOX,
    "spatial-temporal grounding": TUBE,
    "tracking": TRACK,
    "segmentation image": IMAGE_PROMPT,
    "segmentation video": VIDEO_PROMPT,
}
PROBLEM_TYPES: tuple[str, ...] = (
    "multiple choice",
    "numerical",
    "regression",
    "math",
    "ocr",
    "open-ended",
    "caption",
    "temporal grounding",
    "spatial grounding",
    "spatial-temporal grounding",
    "tracking",
    "segmentation",
)
"""Problem types in lower case; any case is accepted."""
RULES: tuple[Rule, ...] = ("paper", "official", "repaired")

_SHOWN = 2000
"""How much of an unreadable reply `Answer.text` keeps."""


def problem_key(problem_type: str, data_type: str = "image") -> str:
    """Return the schema's name: the lower-case type, "segmentation image" or "… video".

    Raises:
        UsageError: unknown problem type; the message names the nearest ones.

    Examples:
        >>> problem_key("Segmentation", "video")
        'segmentation video'
    """
    key = problem_type.strip().lower()
    if key == "segmentation":
        return "segmentation video" if data_type.lower().startswith("video") else f"{key} image"
    if key in _SCHEMAS:
        return key
    raise unknown_name("problem type", problem_type, PROBLEM_TYPES)


def parse(
    reply: str | None,
    problem_type: str,
    *,
    data_type: str = "image",
    options: Sequence[str] | None = None,
    rule: Rule = "repaired",
) -> Answer:
    """Read a reply as the answer to a problem of the given type.

    Linear in the reply; never raises for its content, whatever it is. Boxes are in 0..1000 per
    axis, times in seconds.

    Args:
        reply: raw text of the model; None counts as missing.
        problem_type: as in the released data, any case; see `PROBLEM_TYPES`.
        data_type: "image" or "video"; decides whether a segmentation answer has a time.
        options: of a multiple-choice question as shown to the model: "A. red" or "red".
        rule: "paper", "official" or "repaired".

    Returns:
        An `Answer`; `reading` is "strict" when the reply is exactly as asked for, "repaired" when
        the rule accepts it all the same, with the names in `repairs`, else "failed".

    Raises:
        UsageError: unknown problem type or rule.

    Examples:
        >>> parse("<think>At 3 s.</think><answer>{'time': [3, 5]}</answer>", "temporal grounding")
        Answer(value=(3.0, 5.0), reading='repaired', repairs=('json_syntax',), failure=None, \
text="{'time': [3, 5]}")
        >>> parse("Both", "multiple choice", rule="paper").value
        'B'
        >>> parse("Both", "multiple choice").failure
        'wrong_schema'
    """
    schema = _SCHEMAS.get(problem_type)
    if schema is None:
        schema = _SCHEMAS[problem_key(problem_type, data_type)]
    if rule not in RULES:
        raise UsageError(f"unknown rule {rule!r}", hint=f"one of {', '.join(RULES)}")
    if not reply or reply.isspace():
        return Answer(None, "failed", (), "missing", "")
    if len(reply) > MAX_REPLY_CHARS:
        return Answer(None, "failed", (), "too_long", reply[:_SHOWN])
    context = Context(tuple(options)) if options else Context()
    body, first = strict_body(reply) or ("", False)
    if body and len(body) <= schema.limit and (first or rule != "paper"):
        try:
            return Answer(schema.strict(body, context), "strict", (), None, body)
        except UnreadableError:
            pass
    return _READ[rule](reply, schema, context)


def _finish(
    text: str, schema: Schema, context: Context, rule: Rule, repairs: tuple[str, ...]
) -> Answer:
    """Let the rule's reader take the text; keep the order of repairs and drop repetitions."""
    if len(text) > schema.limit:
        return Answer(None, "failed", (), "too_long", text[:_SHOWN])
    notes: list[str] = []
    try:
        value = _value(text, schema, context, rule, notes)
    except UnreadableError as refusal:
        return Answer(None, "failed", (), refusal.code, text)
    names = tuple(dict.fromkeys((*repairs, *notes)))
    return Answer(value, "repaired", names, None, text)


def _value(text: str, schema: Schema, context: Context, rule: Rule, notes: list[str]) -> Any:
    """The strict value where the text has one and is whole, else what the rule's reader takes."""
    if context.tagged and not context.cut:
        try:
            return schema.strict(text, context)
        except UnreadableError:
            pass
    reader: Reader = getattr(schema, rule)
    return reader(text, context, notes)


def _paper(reply: str, schema: Schema, context: Context) -> Answer:
    text, where = first_answer(reply)
    if not text:
        return Answer(None, "failed", (), "empty", "")
    repairs: tuple[str, ...] = ()
    if where == "empty":
        repairs = ("whole_reply",)
    elif where == "whole":
        repairs = ("no_answer_tag",)
    else:
        found = extract(reply)
        parts = strict_body(reply)
        same = found.answer == text and (parts[1] if parts else found.found == "tag")
        repairs = found.repairs if same else ("first_answer_tag",)
    return _finish(text, schema, context, "paper", repairs)


_OFFICIAL_FAILURES = {
    "unclosed_tag": "truncated",
    "inside_thinking": "unclosed_thinking",
}


def _official(reply: str, schema: Schema, context: Context) -> Answer:
    found = extract(reply)
    if found.answer is None:
        return _unfound(found)
    if found.found not in ("strict", "tag"):
        code = _OFFICIAL_FAILURES.get(found.found, "missing")
        if "answer_inside_thinking" in found.repairs or "no_answer_tag" in found.repairs:
            code = "truncated" if "unclosed_thinking" in found.repairs else "missing"
        return Answer(None, "failed", (), code, found.answer[:_SHOWN])
    return _finish(found.answer, schema, context, "official", found.repairs)


def _repaired(reply: str, schema: Schema, context: Context) -> Answer:
    found = extract(reply)
    if found.answer is None:
        return _unfound(found)
    tagged = found.found in ("strict", "tag", "loose_tag") or "no_answer_tag" not in found.repairs
    context = Context(context.options, found.cut, tagged)
    return _finish(found.answer, schema, context, "repaired", found.repairs)


def _unfound(found: Extraction) -> Answer:
    return Answer(None, "failed", (), found.failure, "")


_READ = {"paper": _paper, "official": _official, "repaired": _repaired}
