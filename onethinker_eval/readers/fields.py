"""Reading untrusted records: typed fields with errors that name file, record, field and fix.

Paths in a record are taken relative to the data root and may not leave it.
"""

from __future__ import annotations

import json
import math
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError

__all__ = [
    "LETTERS",
    "Place",
    "Unique",
    "absent",
    "lettered",
    "number",
    "read_bytes",
    "read_json",
    "read_json_list",
    "strip_tags",
]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MAX_BYTES = 4 << 30
_TAGS = re.compile(r"[ \t]*<(?:image|video)>[ \t]*\n?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, for errors: the file, the record's number or id, the data root."""

    file: str
    record: str | int
    root: Path
    allow_absolute: bool = False

    @property
    def origin(self) -> str:
        """Return `eval_x.json: record 12`."""
        return f"{posixpath.basename(self.file)}: record {self.record}"

    def error(self, problem: str, field_name: str = "", fix: str = "") -> DataError:
        """Return the error for this record."""
        return DataError(problem, file=self.file, record=self.record, field=field_name, fix=fix)

    def text(self, row: Mapping[str, Any], key: str, default: str | None = None) -> str:
        """Return a text field; numbers become text. Raises `DataError` if it has no value."""
        value = row.get(key)
        if absent(value):
            if default is not None:
                return default
            raise self.error("missing or empty", key, "add the field or remove the record")
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return value if isinstance(value, str) else _plain(value)
        raise self.error(f"expected a text, found {type(value).__name__}", key)

    def media(self, value: Any, key: str) -> str:
        """Return the absolute path behind a record's path; it need not exist.

        Raises `DataError` for an empty path, and for one that leaves the data root.
        """
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self.error("expected the path of a medium", key, "add the path")
        text = value.strip().replace("\\", "/")
        if posixpath.isabs(text):
            return self._absolute(text, key)
        inside = posixpath.normpath(text)
        if inside == ".." or inside.startswith("../"):
            raise self.error(
                f"the path {value!r} leaves the data root", key, "keep media under the data root"
            )
        return _under(self.root, inside)

    def box_1000(self, box: Any, width: float, height: float) -> list[int]:
        """Return x1, y1, x2, y2 in 0..1000 from left, top, width, height in pixels.

        Parts outside the image are cut off. Raises `DataError` unless there are four numbers.
        """
        values = [number(value) for value in box] if isinstance(box, (list, tuple)) else []
        if len(values) != 4 or None in values:
            raise self.error(f"expected left, top, width, height, found {box!r}", "bbox")
        left, top, wide, tall = (value or 0.0 for value in values)
        scaled = (left / width, top / height, (left + wide) / width, (top + tall) / height)
        x1, y1, x2, y2 = (min(1000, max(0, round(value * 1000))) for value in scaled)
        return [x1, y1, x2, y2]

    def _absolute(self, text: str, key: str) -> str:
        path = posixpath.normpath(text)
        root = os.path.normpath(self.root)
        if self.allow_absolute or path.startswith(root.rstrip("/") + "/"):
            return path
        raise self.error(
            f"the absolute path {text!r} lies outside the data root",
            key,
            "use relative paths, or allow absolute ones explicitly",
        )


def _under(root: Path, inside: str) -> str:
    """Join, allowing for a root that already is the `Evaluation` folder the paths start with."""
    head, _, rest = inside.partition("/")
    if rest and head == root.name and not (root / head).is_dir():
        return str(root / rest)
    return str(root / inside)


def _plain(value: float) -> str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else str(value)


def absent(value: Any) -> bool:
    """Tell whether a cell has no value: None, NaN, or nothing but blanks.

    >>> [absent(value) for value in (None, float("nan"), "  ", 0, "nan")]
    [True, True, True, False, False]
    """
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and not value.strip()


def number(value: Any) -> float | None:
    """Return a finite number from a number or its text, else None (booleans are not numbers)."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def strip_tags(text: str) -> str:
    r"""Remove the `<image>` and `<video>` placeholders; numbered ones (`<image 2>`) stay.

    >>> strip_tags("<video>\nWhat moves?")
    'What moves?'
    """
    return _TAGS.sub(lambda match: " " if _between_words(match) else "", text).strip()


def _between_words(match: re.Match[str]) -> bool:
    text = match.string
    return bool(match.start() and text[: match.start()].strip() and text[match.end() :].strip())


def lettered(options: Sequence[str]) -> tuple[str, ...]:
    """Return options as `A. text`; ones that carry their letter already are left alone.

    >>> lettered(["red", "blue"])
    ('A. red', 'B. blue')
    """
    kept = [str(option).strip() for option in options]
    marked = all(
        re.match(rf"\(?{letter}\s*[.):：]", option)
        for letter, option in zip(LETTERS, kept, strict=False)
    )
    if marked and kept:
        return tuple(kept)
    return tuple(f"{letter}. {option}" for letter, option in zip(LETTERS, kept, strict=False))


@dataclass(slots=True)
class Unique:
    """Makes ids unique: a repeated id gets `#2`, `#3`, … (the data check reports it)."""

    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        """Return `name`, or a form of it that was not returned yet."""
        count = self.seen.get(name, 0) + 1
        self.seen[name] = count
        if count == 1:
            return name
        renamed = f"{name}#{count}"
        return renamed if renamed not in self.seen else self(renamed)


def read_bytes(path: Path) -> bytes:
    """Read a whole file; `DataError` if it cannot be read or is larger than 4 GiB."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(f"{size} bytes are more than the 4 GiB allowed", file=str(path))
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}", file=str(path), fix="check --data"
        ) from error


def read_json(path: Path) -> Any:
    """Read one JSON value (UTF-8, with or without a byte order mark); `DataError` if broken."""
    import orjson

    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        try:  # NaN and Infinity are not JSON, yet common in files written by Python
            return json.loads(data.decode("utf-8", errors="strict"))
        except (ValueError, RecursionError):
            raise DataError(
                f"broken JSON: {error}", file=str(path), fix="fetch the file again"
            ) from error


def read_json_list(path: Path) -> Iterator[tuple[str | int, Any]]:
    """Yield `(number or line, value)` of a JSON list or of JSON lines, counted from 1.

    A broken line of JSON lines is yielded as a `DataError`, so that the others can be read.
    """
    if path.suffix == ".jsonl":
        yield from _json_lines(path)
        return
    content = read_json(path)
    if isinstance(content, dict):  # a wrapper such as {"results": [...]} or {"data": [...]}
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else content
    if not isinstance(content, list):
        raise DataError(
            f"expected a list of records, found {type(content).__name__}", file=str(path)
        )
    yield from enumerate(content, start=1)


def _json_lines(path: Path) -> Iterator[tuple[str | int, Any]]:
    import orjson

    try:
        with path.open("rb") as stream:
            for line_number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    yield line_number, orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
                except orjson.JSONDecodeError as error:
                    yield (
                        line_number,
                        DataError(f"broken JSON: {error}", file=str(path), record=line_number),
                    )
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
