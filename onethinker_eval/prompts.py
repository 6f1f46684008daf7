"""Prompt profiles: how a record is put to a model. Wording is data, read from YAML.

A profile holds `layout` (`{question}` and `{answer}` are filled in), `options` (how choices follow
a question), `answers` (one instruction per problem type; segmentation has one for images and one
for videos) and `system` (a system message, or none). Only the names in single braces above are
replaced: every other brace is text, and nothing in a profile is ever run.

Shipped: `onethinker` (think and answer in tags), `native` (for models that think by themselves)
and `plain` (no tags). A path names a profile of one's own, or a Python file such as the authors'
`eval_bench.py`, whose templates are read as literals.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError, unknown_name
from onethinker_eval.paths import tasks_dir
from onethinker_eval.records import Record

__all__ = ["PROFILES", "Profile", "content", "load_profile", "render", "text_of"]

PROFILES = ("onethinker", "native", "plain")
"""The shipped profiles, the default first."""

_MAX_BYTES = 1 << 20
_PLACE = re.compile(r"<image (\d{1,2})>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of asking; see the module's text for the fields."""

    name: str
    layout: str
    options: str
    answers: Mapping[str, str]
    system: str | None = None
    source: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """Return 12 hex digits that change with any word a model could be shown."""
        words = {
            "layout": self.layout,
            "options": self.options,
            "answers": dict(sorted(self.answers.items())),
            "system": self.system,
        }
        return hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()[:12]

    def with_system(self, text: str | None) -> Profile:
        """Return the profile with a system message (None leaves it as it is, "" removes it)."""
        return self if text is None else replace(self, system=text or None)


def load_profile(name: str | Path = PROFILES[0]) -> Profile:
    """Return a shipped profile by name, or one read from a YAML or Python file.

    Raises `UsageError` with the nearest names for an unknown one, `DataError` naming file and key
    for a malformed file.
    """
    text = str(name)
    if text in PROFILES:
        return _read_yaml(tasks_dir() / "_prompts" / f"{text}.yaml")
    path = Path(text).expanduser()
    if not path.is_file():
        raise unknown_name("prompt profile", text, [*PROFILES, "FILE.yaml", "FILE.py"])
    if path.stat().st_size > _MAX_BYTES:
        raise DataError("more than 1 MiB is no prompt profile", file=text)
    if path.suffix == ".py":
        from onethinker_eval.prompt_import import read_templates

        layout, options, answers = read_templates(path)
        return Profile(path.stem, layout, options, answers, source=text)
    return _read_yaml(path)


def text_of(record: Record, task: Task | None = None, profile: Profile | None = None) -> str:
    """Return the text a model reads beside the media: question, choices, instructions.

    >>> record = Record("1", "multiple choice", "text", "2 + 2?", (), "B", ("A. 3", "B. 4"))
    >>> print(text_of(record, profile=load_profile("plain")))
    2 + 2?
    Choices:
    A. 3
    B. 4
    <BLANKLINE>
    Reply with the letter of the one right choice and nothing else.
    """
    chosen = profile or load_profile()
    question = record.question
    if record.options and not record.meta.get("options_in_question"):
        filling = {"question": question, "options": "\n".join(record.options)}
        question = _fill(chosen.options, filling)
    answer = chosen.answers.get(_kind(record, task, chosen), "")
    return _fill(chosen.layout, {"question": question, "answer": answer}).strip()


def _kind(record: Record, task: Task | None, profile: Profile) -> str:
    """Return which instruction a record gets: its task's own, else its problem type's."""
    if task is not None and task.prompt in profile.answers:
        return task.prompt
    kind = record.problem_type.strip().lower()
    if kind == "segmentation":
        return f"segmentation {'video' if record.data_type == 'video' else 'image'}"
    return kind


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of `{name}` in one pass, so that a question's own braces stay text."""
    names = "|".join(values)
    return re.sub(rf"\{{({names})\}}", lambda match: values[match.group(1)], template)


def content(record: Record, text: str) -> list[dict[str, Any]]:
    """Return the parts of a user message: media in their order, then the text.

    Images the text mentions as `<image 2>` stand where it mentions them. Parts have the form
    lmms-eval reads: `{"type": "image" or "video", "url": path}` and `{"type": "text", "text": …}`.
    """
    media = [{"type": medium.kind, "url": medium.path} for medium in record.media]
    if all(medium.kind == "image" for medium in record.media) and _PLACE.search(text):
        return _interleave(media, text)
    return [*media, {"type": "text", "text": text}]


def _interleave(media: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    mentioned = {int(number) for number in _PLACE.findall(text)}
    parts = [part for place, part in enumerate(media, start=1) if place not in mentioned]
    pieces = _PLACE.split(text)
    shown: set[int] = set()
    held = ""
    for piece, number in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        held += piece
        place = int(number) if number else 0
        if not 0 < place <= len(media):
            held += f"<image {number}>" if number else ""
        elif place in shown:
            held += f"image {place}"
        else:
            if held.strip():
                parts.append({"type": "text", "text": held.strip()})
            held = ""
            parts.append(media[place - 1])
            shown.add(place)
    return [*parts, {"type": "text", "text": held.strip()}] if held.strip() else parts


def render(
    record: Record, task: Task | None = None, profile: Profile | None = None
) -> list[dict[str, Any]]:
    """Return the chat messages for `record`.

    A system message comes first if the profile has one, then one user message of media and text.
    """
    chosen = profile or load_profile()
    parts = content(record, text_of(record, task, chosen))
    messages = [{"role": "user", "content": parts}]
    if chosen.system:
        words = [{"type": "text", "text": chosen.system}]
        messages.insert(0, {"role": "system", "content": words})
    return messages


def _read_yaml(path: Path) -> Profile:
    return _parse_yaml(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _parse_yaml(path: Path, _changed: int) -> Profile:
    import yaml

    try:
        values = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as YAML: {error}", file=str(path)) from error
    if not isinstance(values, dict):
        raise DataError("expected a mapping", file=str(path))
    known = [item.name for item in fields(Profile) if item.name != "source"]
    for key in values:
        if key not in known:
            problem = str(unknown_name("key", str(key), known))
            raise DataError(problem, file=str(path), field=str(key))
    values = {"name": path.stem, "options": "{question}\n{options}", "answers": {}, **values}
    for key in ("name", "layout", "options"):
        if not isinstance(values.get(key), str):
            raise DataError("expected a text", file=str(path), field=key, fix="add it")
    if not isinstance(values.get("system"), (str, type(None))):
        raise DataError("expected a text", file=str(path), field="system")
    if "{question}" not in values["layout"] or "{question}" not in values["options"]:
        raise DataError("{question} has no place in it", file=str(path), field="layout")
    answers = values["answers"]
    if not isinstance(answers, dict) or not all(
        isinstance(word, str) for pair in answers.items() for word in pair
    ):
        raise DataError("expected problem type: text", file=str(path), field="answers")
    values["answers"] = {key.strip().lower(): text for key, text in answers.items()}
    return Profile(**values, source=str(path))
