"""Lessons: the records of training files in the released JSON form, with what is to be learnt.

Fields are those of the evaluation's reader, and `process`: the thinking to learn, with or without
`<think>` tags. A record that cannot be used comes as a `LeftOut` with its reason, so that every
reader of a file (training, the data check, annotation) leaves out and counts the same records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onethinker_eval.errors import DataError
from onethinker_eval.readers import onethinker_json
from onethinker_eval.readers.fields import read_json_list
from onethinker_eval.records import Record

__all__ = ["LeftOut", "Lesson", "read_lessons", "without_tags"]

_TAGS = re.compile(r"</?(?:think|answer)>")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A record, the thinking and the answer to learn (without tags), and the JSON it is from."""

    record: Record
    thinking: str
    answer: str
    raw: Mapping[str, Any]

    @property
    def modality(self) -> Literal["image", "video"]:
        """Return "video" where any medium is one."""
        return "video" if any(medium.kind == "video" for medium in self.record.media) else "image"

    @property
    def kind(self) -> str:
        """Return the problem type in lower case."""
        return self.record.problem_type.strip().lower()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that is not trained on: its name in the file and why."""

    record: str
    reason: str


def read_lessons(path: Path, root: Path, *, thinking: bool) -> Iterator[Lesson | LeftOut]:
    """Yield each record of a training file; `thinking` asks for one with `process`.

    Media paths are relative to `root`; nothing is decoded. Raises `DataError` where the file as a
    whole cannot be read.
    """
    readable = onethinker_json.read(path, root, {})
    for made, (number, raw) in zip(readable, read_json_list(path), strict=True):
        if isinstance(made, DataError):
            yield LeftOut(str(number), made.problem)
        elif not made.media:
            yield LeftOut(made.id, "no image or video")
        elif thinking and not without_tags(raw.get("process")):
            yield LeftOut(made.id, "no thinking (process)")
        elif sum(medium.kind == "video" for medium in made.media) > 1:
            yield LeftOut(made.id, "two videos in one record")
        else:
            yield Lesson(made, without_tags(raw.get("process")), _answer(raw.get("solution")), raw)


def _answer(solution: Any) -> str:
    """Return a solution as the text to learn; released files hold texts, others JSON values."""
    if isinstance(solution, str) or solution is None:
        return without_tags(solution)
    return json.dumps(solution, ensure_ascii=False)


def without_tags(value: Any) -> str:
    """Return a text without `<think>` and `<answer>` tags; "" for anything that is no text.

    >>> without_tags("<think>It is red.</think>")
    'It is red.'
    """
    return _TAGS.sub("", value).strip() if isinstance(value, str) else ""
