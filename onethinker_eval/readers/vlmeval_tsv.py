"""VLMEvalKit's TSV files: one row a question, pictures as base64 in the column `image`.

Columns read: `index`, `question`, `A`…`Z` (empty or NaN: no such option), `answer`, `hint`,
`image` (base64, a list of base64, or the index of the row that holds the picture), `image_path`,
`category`, `l2-category` or `l2_category`, `split`, and those of MathVista, MathVerse and MMSci.
In circular files the rows whose index is equal modulo 1,000,000 are rotations of one question.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers.fields import LETTERS, Place, Unique, absent
from onethinker_eval.readers.pictures import base64_pictures, is_reference, store
from onethinker_eval.readers.questions import Question, literal_list, record_of
from onethinker_eval.records import Medium, Record

__all__ = ["read", "table_rows"]

_MAX_CELL = 1 << 28
_ROTATIONS = 1_000_000
_CATEGORY = {"mathvista": "task", "mathverse": "problem_version"}
_KEPT = ("l2_category", "l2-category", "split", "skills", "subject", "image_id", "abstract")
_JUDGED = ("question_for_eval", "precision", "unit", "answer_type", "question_type")


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield each row's record, or the error that keeps it from being one.

    `options` are the source's: `kind` (see `questions`), `rows` ({column: value} to keep),
    `circular`.
    """
    table = _Table(path, root, options, allow_absolute)
    for number, row in table_rows(path):
        place = table.place(number)
        try:
            if table.wanted(row):
                yield table.record(row, place)
        except DataError as error:
            yield error


def table_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number from 1, row) of a TSV file with a header; `DataError` if it is no such."""
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
    number = 0
    try:
        with path.open("rb") as raw:
            stream = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            reader = csv.DictReader(stream, delimiter="\t")
            if not reader.fieldnames or len(reader.fieldnames) < 2:
                raise DataError("expected a table with tabs and a header", file=str(path))
            for number, row in enumerate(reader, start=1):
                yield number, {key: value for key, value in row.items() if key and value}
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", file=str(path), record=number + 1) from error


class _Table:
    """What the rows of one file share: pictures by row index, ids in use."""

    def __init__(
        self, path: Path, root: Path, options: Mapping[str, Any], allow_absolute: bool
    ) -> None:
        self._path, self._root, self._options = path, root, options
        self._allow_absolute = allow_absolute
        self._kind = str(options.get("kind", "choice"))
        self._filter = dict(options.get("rows", {}))
        self._pictures: dict[str, tuple[str, ...]] = {}
        self._scanned = False
        self._unique = Unique()

    def place(self, number: int) -> Place:
        return Place(str(self._path), number, self._root, self._allow_absolute)

    def wanted(self, row: Mapping[str, str]) -> bool:
        self._note_picture(row)
        return all(row.get(key) == str(value) for key, value in self._filter.items())

    def record(self, row: Mapping[str, str], place: Place) -> Record:
        index = _plain_index(place.text(row, "index"))
        paths = self._media(row, index, place)
        media = tuple(Medium("image", path) for path in paths)
        raw = Question(
            id=self._unique(index),
            question=row.get("question", ""),
            answer=row.get("caption" if self._kind == "caption" else "answer"),
            media=media,
            cluster=Path(paths[0]).name if paths else index,
            options=self._choices(row, place),
            hint="" if absent(row.get("hint")) or _nan(row["hint"]) else row["hint"],
            question_type=row.get("question_type", ""),
            answer_type=row.get("answer_type", ""),
            meta=self._meta(row, index),
        )
        if self._kind == "mathvista" and raw.question_type == "multi_choice":
            given = row.get("answer_option")
            raw.answer = given if not absent(given) else raw.answer
            raw.answer_as = "letter" if not absent(given) else "text"
        return record_of(raw, self._kind, "image" if media else "text", place)

    def _choices(self, row: Mapping[str, str], place: Place) -> list[str]:
        if self._kind == "mathvista":
            return literal_list(row.get("choices"), place, "choices")
        given = [letter for letter in LETTERS if letter in row and not _nan(row[letter])]
        if "".join(given) != LETTERS[: len(given)]:
            raise place.error(f"the options are {', '.join(given)}: one is missing", given[-1])
        return [f"{letter}. {row[letter].strip()}" for letter in given]

    def _meta(self, row: Mapping[str, str], index: str) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        category = row.get(_CATEGORY.get(self._kind, "category"))
        if not absent(category):
            meta["category"] = category
        for key in (*_KEPT, *_JUDGED):
            if not absent(row.get(key)):
                meta[key.replace("-", "_")] = row[key]
        if self._options.get("circular") and index.isdigit():
            meta["group"] = str(int(index) % _ROTATIONS)
        return meta

    def _note_picture(self, row: Mapping[str, str]) -> None:
        """Store the pictures of a row, so that later rows can refer to it."""
        cell, index = row.get("image", ""), _plain_index(row.get("index", ""))
        if index and cell and not is_reference(cell) and index not in self._pictures:
            # a broken one is reported when the row itself, or one that refers to it, is read
            with contextlib.suppress(ValueError):
                self._pictures[index] = tuple(store(item) for item in base64_pictures(cell))

    def _media(self, row: Mapping[str, str], index: str, place: Place) -> tuple[str, ...]:
        cell = row.get("image", "").strip()
        if cell and not _nan(cell):
            if not is_reference(cell):
                return self._own_pictures(cell, index, place)
            return self._referred(_plain_index(cell), place)
        named = row.get("image_path", "").strip()
        if not named:
            return ()
        names = literal_list(named, place, "image_path") if named.startswith("[") else [named]
        return tuple(self._beside(name, place) for name in names)

    def _own_pictures(self, cell: str, index: str, place: Place) -> tuple[str, ...]:
        if index not in self._pictures:
            try:
                self._pictures[index] = tuple(store(item) for item in base64_pictures(cell))
            except ValueError as error:
                raise place.error(str(error), "image", "fetch the file again") from error
        return self._pictures[index]

    def _referred(self, index: str, place: Place) -> tuple[str, ...]:
        if index not in self._pictures and not self._scanned:
            self._scanned = True
            for _, row in table_rows(self._path):
                self._note_picture(row)
        if index not in self._pictures:
            raise place.error(f"row {index}, which should hold the picture, does not", "image")
        return self._pictures[index]

    def _beside(self, name: str, place: Place) -> str:
        """Return the file of an `image_path`: under images/ beside the table."""
        base = self._path.parent.relative_to(self._root) / "images"
        stem = self._path.stem.removesuffix("_local")
        folders = [base / stem, base / stem.split("_")[0], base]
        paths = [place.media(str(folder / name), "image_path") for folder in folders]
        return next((path for path in paths if Path(path).is_file()), paths[0])


def _plain_index(text: str) -> str:
    return text.strip().removesuffix(".0")


def _nan(text: str) -> bool:
    return text.strip().lower() in ("", "nan")
