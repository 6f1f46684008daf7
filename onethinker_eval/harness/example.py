"""One question about one picture or clip, put to any model as a sample of a benchmark would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.answers import parse
from onethinker_eval.answers.values import Answer
from onethinker_eval.benchmarks import Task, catalogue
from onethinker_eval.errors import DataError, RunError, UsageError
from onethinker_eval.harness.settings import Settings
from onethinker_eval.records import Medium, Record

__all__ = ["Example", "ask", "example", "medium_of"]

_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Example:
    """A question as a record, and the task whose way of asking and frame rule it gets."""

    task: Task
    record: Record

    @property
    def medium(self) -> Medium:
        """What the question is about."""
        return self.record.media[0]


def medium_of(path: str) -> Medium:
    """Return the picture, or else the clip, at `path`; raises `DataError` if nothing is there."""
    file = Path(path).expanduser()
    if not file.exists():
        raise DataError("not found", file=path, fix="give the path of an image or a video")
    kind = "image" if file.suffix.casefold() in _IMAGES else "video"
    return Medium(kind, str(file.resolve()))  # type: ignore[arg-type]


def example(path: str, question: str, problem_type: str, options: Sequence[str] = ()) -> Example:
    """Return the example of a `question` about the file at `path`.

    Choices get letters unless they have them. Raises `UsageError` naming the nearest problem
    types, or for choices where there is nothing to choose; `DataError` for a missing file.
    """
    from onethinker_eval.scoring.api import normal_type

    kind = normal_type(problem_type)
    if (kind == "multiple choice") != bool(options):
        raise UsageError(
            "a multiple choice needs its options, and only that has any",
            hint='e.g. --type "multiple choice" --option red --option blue',
        )
    if not question.strip():
        raise UsageError("the question is empty")
    medium = medium_of(path)
    record = Record(
        id="1",
        problem_type=kind,
        data_type=medium.kind,
        question=question.strip(),
        media=(medium,),
        truth=None,
        options=_lettered(options),
        origin=Path(path).name,
    )
    return Example(_task(kind, medium.kind), record)


def _lettered(options: Sequence[str]) -> tuple[str, ...]:
    """Put a letter before each option, unless all have theirs.

    >>> _lettered(["red", "blue"]), _lettered(["A. red", "B. blue"])
    (('A. red', 'B. blue'), ('A. red', 'B. blue'))
    """
    if len(options) > len(_LETTERS):
        raise UsageError(f"at most {len(_LETTERS)} options, found {len(options)}")
    pairs = list(zip(_LETTERS, options, strict=False))
    if all(text.startswith((f"{letter}.", f"{letter})")) for letter, text in pairs):
        return tuple(options)
    return tuple(f"{letter}. {text}" for letter, text in pairs)


def _task(kind: str, data_type: str) -> Task:
    """Return the task nearest to a problem type and a medium, of those with no wording of own."""
    tasks = [task for task in catalogue().tasks.values() if not task.prompt]

    def distance(task: Task) -> tuple[bool, bool]:
        return task.data_type != data_type, task.problem_type.casefold() != kind

    return min(tasks, key=distance)


def ask(one: Example, settings: Settings) -> tuple[str, Answer, dict[str, Any]]:
    """Return the model's reply, its answer as read, and the journal line.

    Raises `RunError` with the reason if there is no reply, else as `evaluate`.
    """
    from onethinker_eval.harness.evaluate import answer

    [line] = answer(settings, [(one.task, [one.record])])[one.task.id]
    if line["status"] != "ok":
        raise RunError(f"no reply: {line['error']['message']}")
    record = one.record
    read = parse(
        line["reply"],
        record.problem_type,
        data_type=record.data_type,
        options=record.options or None,
        rule="repaired",
    )
    return line["reply"], read, line
