"""Video sets in files of their own: Video-Holmes, LongVideoBench, LongVideo-Reason, Video-MMLU.

Videos are looked up by name in the folders of the source option `videos`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers.fields import Place, Unique, absent, number, read_json_list
from onethinker_eval.readers.questions import Question, literal_list, record_of
from onethinker_eval.readers.videos import VideoFinder, folders_of
from onethinker_eval.readers.vlmeval_tsv import table_rows
from onethinker_eval.records import Medium, Record

__all__ = ["read_longvideo_reason", "read_longvideobench", "read_video_holmes", "read_videommlu"]

Row = Mapping[str, Any]
_LETTERED = re.compile(r"^\s*\(?([A-F])[.):]\s*(.+?)\s*$", re.MULTILINE)
_TAGGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_PAIR = ("question", "answer")
_DESCRIBE = "Describe everything that is said and shown in this lecture."


class _Set:
    """What the records of one file share."""

    def __init__(
        self, path: Path, root: Path, options: Mapping[str, Any], allow_absolute: bool
    ) -> None:
        self.path, self.root, self.options = path, root, options
        self.allow_absolute = allow_absolute
        self.finder = VideoFinder(root, folders_of(options.get("videos", "videos")))
        self.unique = Unique()

    def records(
        self, rows: Iterator[tuple[str | int, Any]], build: Callable[[Row, Place], Record]
    ) -> Iterator[Record | DataError]:
        for number_, row in rows:
            place = Place(str(self.path), number_, self.root, self.allow_absolute)
            try:
                if isinstance(row, DataError):
                    raise row
                if not isinstance(row, Mapping):
                    raise place.error("expected an object")
                yield build(row, place)
            except DataError as error:
                yield error

    def media(self, name: Any, place: Place, field: str) -> tuple[tuple[Medium, ...], str]:
        path = self.finder.path(name, place, field)
        return (Medium("video", path),), self.finder.cluster(path)


def read_video_holmes(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `test_Video-Holmes.json`.

    Keys: `video ID`, `Question ID`, `Question Type`, `Question`, `Options` {A…F}, `Answer`.
    """
    kind = _Set(path, root, options, allow_absolute)

    def build(row: Row, place: Place) -> Record:
        given = row.get("Options")
        if not isinstance(given, Mapping):
            raise place.error("expected {letter: text}", "Options")
        choices = [f"{letter}. {given[letter]}" for letter in sorted(given)]
        media, cluster = kind.media(place.text(row, "video ID"), place, "video ID")
        raw = Question(
            id=kind.unique(place.text(row, "Question ID", str(place.record))),
            question=place.text(row, "Question"),
            answer=row.get("Answer"),
            media=media,
            cluster=cluster,
            options=choices,
            meta=_kept(row, {"category": "Question Type", "explanation": "Explanation"}),
        )
        return record_of(raw, "choice", "video", place)

    yield from kind.records(read_json_list(path), build)


def read_longvideobench(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `lvb_val.json`; the test file has no answers and is refused.

    Keys: `id`, `video_id`, `video_path`, `question`, `candidates`, `correct_choice` (0-based),
    `duration_group`, `question_category`, `duration`. Subtitles are not used, as in the paper.
    """
    kind = _Set(path, root, options, allow_absolute)

    def build(row: Row, place: Place) -> Record:
        if absent(row.get("correct_choice")):
            raise place.error("no answer: this is the test split", "correct_choice")
        name = place.text(row, "video_path", str(row.get("video_id", "")) or None)
        media, cluster = kind.media(name, place, "video_path")
        meta = _kept(row, {"category": "question_category", "duration_group": "duration_group"})
        if number(row.get("duration")):
            meta["duration_s"] = number(row.get("duration"))
        raw = Question(
            id=kind.unique(place.text(row, "id", str(place.record))),
            question=place.text(row, "question"),
            answer=row.get("correct_choice"),
            answer_as="index",
            media=media,
            cluster=cluster,
            options=literal_list(row.get("candidates"), place, "candidates"),
            meta=meta,
        )
        return record_of(raw, "choice", "video", place)

    yield from kind.records(read_json_list(path), build)


def read_longvideo_reason(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of the LongVideo-Reason test file (JSON, JSON lines).

    Keys: `problem_id`, `problem` (choices as lines in it), `answer` ("<answer>B</answer>"),
    `videos`, `problem_type` (temporal, goal, plot, spatial). Five records of the released file
    have no usable choices; they are reported.
    """
    kind = _Set(path, root, options, allow_absolute)

    def build(row: Row, place: Place) -> Record:
        problem = place.text(row, "problem")
        choices = dict(_LETTERED.findall(problem))
        letters = "ABCDEF"[: len(choices)]
        if len(choices) < 2 or "".join(sorted(choices)) != letters:
            raise place.error("the choices in the question cannot be told apart", "problem")
        answer = place.text(row, "answer")
        tagged = _TAGGED.search(answer)
        name = str(row.get("videos", "")).rpartition("/")[2]
        media, cluster = kind.media(name, place, "videos")
        raw = Question(
            id=kind.unique(place.text(row, "problem_id", str(place.record))),
            question=_LETTERED.sub("", problem).strip(),
            answer=tagged[1] if tagged else answer,
            media=media,
            cluster=cluster,
            options=[f"{letter}. {choices[letter]}" for letter in letters],
            meta=_kept(row, {"category": "problem_type"}),
        )
        return record_of(raw, "choice", "video", place)

    yield from kind.records(read_json_list(path), build)


def read_videommlu(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `Video_MMLU_CAP.tsv`: a lecture each, to be described.

    Columns: `index`, `video`, `discipline`, `question` (a list of {question, answer}), which a
    judge answers from the description; they are `meta["questions"]`. The truth, for the scores
    that need no judge, is the answers as one text.
    """
    kind = _Set(path, root, options, allow_absolute)

    def build(row: Row, place: Place) -> Record:
        questions = _questions(row.get("question"), place)
        media, cluster = kind.media(place.text(row, "video"), place, "video")
        raw = Question(
            id=kind.unique(place.text(row, "index", str(place.record))),
            question=str(options.get("question", _DESCRIBE)),
            answer=" ".join(item["answer"] for item in questions),
            media=media,
            cluster=cluster,
            meta={**_kept(row, {"category": "discipline"}), "questions": questions},
        )
        return record_of(raw, "caption", "video", place)

    yield from kind.records(((number_, row) for number_, row in table_rows(path)), build)


def _questions(cell: Any, place: Place) -> list[dict[str, str]]:
    """Return the questions of a lecture from JSON or the text of a Python list."""
    import ast
    import json

    found: Any = None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(str(cell))
            break
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    if not isinstance(found, list) or not found:
        raise place.error("expected a list of questions and answers", "question")
    kept = []
    for item in found:
        if (
            not isinstance(item, Mapping)
            or absent(item.get("question"))
            or absent(item.get("answer"))
        ):
            raise place.error("a question without question or answer", "question")
        kept.append({"question": str(item["question"]), "answer": str(item["answer"])})
    return kept


def _kept(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: row[theirs] for ours, theirs in names.items() if not absent(row.get(theirs))}
