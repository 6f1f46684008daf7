"""Data sets of the hub in the columns lmms-eval reads them by; `--data hub` downloads them.

The task file names the data set and says in `columns` which column holds what; a dotted name
reaches into a column of objects. Images come with the rows. Videos do not: they are looked for in
`<HF_HOME>/<media_root>`, where lmms-eval unpacks them, or under `ONETHINKER_VIDEOS/<media_root>`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError, MissingPart
from onethinker_eval.readers.fields import Place, Unique, absent
from onethinker_eval.readers.pictures import store
from onethinker_eval.readers.questions import Question, literal_list, record_of
from onethinker_eval.readers.videos import VideoFinder
from onethinker_eval.records import Medium, Record

__all__ = ["read", "rows_to_records"]

_ROTATIONS = 1_000_000
_IN_QUESTION = re.compile(r"(?:^|[\n,;]|Options:)\s*\(?([A-H])[:.)]\s*", re.IGNORECASE)


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of a hub data set; it is downloaded unless it is in the cache already.

    Raises `MissingPart` without the package `datasets`, `DataError` if the hub does not give it.
    """
    del path, root, allow_absolute
    unique = Unique()
    configs = options.get("config")
    for config in configs if isinstance(configs, list) else [configs]:
        category = {"category": config} if isinstance(configs, list) else {}
        rows = _download(str(options["id"]), config, str(options["split"]), options)
        yield from rows_to_records(rows, options, unique=unique, more=category)


def _download(name: str, config: Any, split: str, options: Mapping[str, Any]) -> Iterable[Any]:
    try:
        import datasets
    except ImportError as error:
        raise MissingPart(
            "the hub needs the package datasets", hint="pip install datasets"
        ) from error
    try:
        found = datasets.load_dataset(name, config, split=split)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        datasets.exceptions.DatasetsError,
    ) as error:
        raise DataError(
            f"the hub does not give {name}: {type(error).__name__}: {error}",
            fix="check the network and your access, or use --data FOLDER",
        ) from error
    for column in _image_columns(options):
        if column in found.column_names and isinstance(found.features[column], datasets.Image):
            found = found.cast_column(column, datasets.Image(decode=False))
    rows: Iterable[Any] = found
    return rows


def _image_columns(options: Mapping[str, Any]) -> list[str]:
    return [str(column) for column in options.get("columns", {}).get("images", ())]


def rows_to_records(
    rows: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    unique: Unique | None = None,
    more: Mapping[str, Any] | None = None,
) -> Iterator[Record | DataError]:
    """Yield the records of `rows` under the column names of a task file's source."""
    builder = _Rows(options, unique or Unique(), dict(more or {}))
    for number, row in enumerate(rows, start=1):
        place = Place(str(options.get("id", "hub")), number, builder.folder)
        try:
            if builder.wanted(row):
                yield builder.record(row, place)
        except DataError as error:
            yield error


class _Rows:
    """The column mapping of one source, applied row by row."""

    def __init__(self, options: Mapping[str, Any], unique: Unique, more: dict[str, Any]) -> None:
        self._options, self._unique, self._more = options, unique, more
        self._columns = dict(options.get("columns", {}))
        self._filter = dict(options.get("rows", {}))
        self._video = "video" in options or "video" in self._columns
        self.folder = _video_root() / str(options.get("media_root", ""))
        self._finder = VideoFinder(self.folder, [""])

    def wanted(self, row: Mapping[str, Any]) -> bool:
        return all(row.get(key) == value for key, value in self._filter.items())

    def _get(self, row: Mapping[str, Any], key: str) -> Any:
        """Return the cell behind one of our names; `a.b` reaches into objects."""
        value: Any = row
        for part in str(self._columns.get(key, "")).split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def record(self, row: Mapping[str, Any], place: Place) -> Record:
        question = str(self._get(row, "question") or "")
        choices = self._choices(row, question, place)
        media, cluster = self._media(row, place)
        name = self._get(row, "id")
        kind = str(self._options.get("kind", "choice"))
        raw = Question(
            id=self._unique(str(place.record if absent(name) else name)),
            question=question,
            answer=self._get(row, "answer"),
            answer_as=str(self._options.get("answer_as", "letter")),
            media=media,
            cluster=cluster,
            options=choices,
            hint=str(self._get(row, "hint") or ""),
            question_type=str(self._get(row, "question_type") or ""),
            answer_type=str(self._get(row, "answer_type") or ""),
            options_in_question=bool(self._options.get("options_in_question")),
            meta=self._meta(row),
        )
        data_type = "video" if self._video else "image" if media else "text"
        return record_of(raw, kind, data_type, place)

    def _choices(self, row: Mapping[str, Any], question: str, place: Place) -> list[str]:
        if self._options.get("options_in_question"):
            return _from_question(question)
        columns = self._columns.get("options")
        if isinstance(columns, list):
            cells = [row.get(column) for column in columns]
            return [str(cell) for cell in cells if not absent(cell) and cell not in ("N/A", "nan")]
        return literal_list(self._get(row, "options"), place, str(columns))

    def _meta(self, row: Mapping[str, Any]) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        for key in ("category", "l2_category", "question_type", "answer_type"):
            value = self._get(row, key)
            if not absent(value):
                meta[key] = str(value)
        if self._options.get("circular"):
            index = str(self._get(row, "id"))
            if index.isdigit():
                meta["group"] = str(int(index) % _ROTATIONS)
        return {**meta, **self._more}

    def _media(self, row: Mapping[str, Any], place: Place) -> tuple[tuple[Medium, ...], str]:
        if self._video:
            name = self._get(row, "video") if "video" in self._columns else self._named(row, place)
            path = self._finder.path(name, place)
            return (Medium("video", path),), self._finder.cluster(path)
        paths = [
            _stored(row[column], place, column)
            for column in _image_columns(self._options)
            if not absent(row.get(column))
        ]
        cluster = Path(paths[0]).name if paths else ""
        return tuple(Medium("image", path) for path in paths), cluster

    def _named(self, row: Mapping[str, Any], place: Place) -> str:
        """Return the video's file name from a pattern such as `data/{videoID}.mp4`."""
        pattern = str(self._options["video"]).removeprefix("**/")
        fields = re.findall(r"\{([^{}]+)\}", pattern)
        for name in fields:
            pattern = pattern.replace(f"{{{name}}}", place.text(row, name))
        return pattern


def _video_root() -> Path:
    named = os.environ.get("ONETHINKER_VIDEOS") or os.environ.get("HF_HOME")
    return Path(named or "~/.cache/huggingface").expanduser().absolute()


def _from_question(question: str) -> list[str]:
    """Return the choices that a question ends with: `Options: A: red, B: blue`."""
    tail = question[max(question.rfind("Options:"), 0) :]
    marks = list(_IN_QUESTION.finditer(tail))
    kept, wanted = [], "A"
    for mark in marks:
        if mark[1].upper() == wanted:
            kept.append(mark)
            wanted = chr(ord(wanted) + 1)
    ends = [mark.start() for mark in kept[1:]] + [len(tail)]
    return [
        f"{mark[1].upper()}. {tail[mark.end() : end].strip().rstrip(',;')}"
        for mark, end in zip(kept, ends, strict=True)
    ]


def _stored(cell: Any, place: Place, column: str) -> str:
    """Return the file of an image cell: bytes or a path as `datasets` gives them, or a picture."""
    content: Any = None
    if isinstance(cell, Mapping):
        content = cell.get("bytes")
        if content is None and isinstance(cell.get("path"), str):
            return str(Path(cell["path"]).absolute())
    elif isinstance(cell, bytes):
        content = cell
    elif hasattr(cell, "save"):
        import io

        stream = io.BytesIO()
        cell.save(stream, format="PNG")
        content = stream.getvalue()
    if not isinstance(content, bytes):
        raise place.error(f"expected an image, found {type(cell).__name__}", column)
    try:
        return store(content)
    except ValueError as error:
        raise place.error(str(error), column) from error
