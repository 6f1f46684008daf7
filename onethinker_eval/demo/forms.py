"""How a question reads once its benchmark's file has been read: hints, listed choices, types.

Training records take these forms, so that a model trains on the very prompts it is tested with.
"""

from __future__ import annotations

from dataclasses import replace

from onethinker_eval.demo.asking import Ask

__all__ = ["as_is", "hinted", "lecture", "mathverse", "mathvista", "mmmu", "number_kind"]


def as_is(ask: Ask) -> Ask:
    """Return the question unchanged, as most files keep it."""
    return ask


def number_kind(answer: str) -> str:
    r"""Return "integer", "float" or "text" for an answer.

    >>> [number_kind(answer) for answer in ("12", "4.5", "9\\pi")]
    ['integer', 'float', 'text']
    """
    if not answer.replace(".", "").isdigit():
        return "text"
    return "float" if "." in answer else "integer"


def mathvista(ask: Ask) -> Ask:
    """Return the question with MathVista's hint line, and its choices in round brackets."""
    if ask.options:
        hint = "Choose one of the options and end with its letter."
        listed = "\n".join(f"({option[0]}) {option[3:]}" for option in ask.options)
        text = f"Hint: {hint}\nQuestion: {ask.question}\nChoices:\n{listed}"
        return replace(ask, question=text)
    kind = number_kind(ask.answer)
    hint = {
        "text": "The answer is a number or a product with \\pi.",
        "float": "The answer is a number with one decimal place.",
        "integer": "The answer is a whole number.",
    }[kind]
    text = f"Hint: {hint}\nQuestion: {ask.question}"
    return replace(ask, question=text, problem_type="math" if kind == "text" else "numerical")


def mathverse(ask: Ask) -> Ask:
    """Return the question with MathVerse's list of choices below it."""
    if not ask.options:
        return ask
    listed = "\n".join(f"{option[0]}:{option[3:]}" for option in ask.options)
    return replace(ask, question=f"{ask.question}\nChoices:\n{listed}")


def hinted(ask: Ask) -> Ask:
    """Return the question below its hint, where it has one."""
    hint = ask.facts.get("hint")
    return replace(ask, question=f"Hint: {hint}\n{ask.question}") if hint else ask


def mmmu(ask: Ask) -> Ask:
    """Return the question as a choice: MMMU counts open questions among them, without options."""
    return replace(ask, problem_type="multiple choice")


def lecture(ask: Ask) -> Ask:
    """Return the question that is asked of each lecture, as Video-MMLU's file has none."""
    return replace(ask, question="Describe everything that is said and shown in this lecture.")
