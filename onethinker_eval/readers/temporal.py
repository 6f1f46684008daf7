"""Official annotations of sentences in time: Charades-STA, ActivityNet Captions, ActivityNet-RTL.

Spans are seconds from the start of the video, as annotated: a span that ends after its video
(561 in Charades-STA) stays as it is, and the data check reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers.fields import Place, Unique, number, read_json
from onethinker_eval.readers.videos import VideoFinder, folders_of
from onethinker_eval.records import Medium, Record

__all__ = ["read_activitynet_captions", "read_anet_rtl", "read_charades_sta"]

_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+?)\s*##\s*(.+?)\s*$")
_STAMP = re.compile(r"<\s*(\d+(?:\.\d*)?|\.\d+)\s*>")
_ASK = 'When does this happen in the video: "{sentence}"'


class _Set:
    """What the records of one file share."""

    def __init__(
        self, path: Path, root: Path, options: Mapping[str, Any], allow_absolute: bool
    ) -> None:
        self.path, self.root, self.allow_absolute = path, root, allow_absolute
        self.finder = VideoFinder(root, folders_of(options.get("videos", "videos")))
        self.question = str(options.get("question", _ASK))
        self.unique = Unique()

    def place(self, record: str | int) -> Place:
        return Place(str(self.path), record, self.root, self.allow_absolute)

    def record(
        self, name: str, video: Any, question: str, span: Any, place: Place, duration: Any = None
    ) -> Record:
        found = self.finder.path(video, place)
        seconds = [number(item) for item in span]
        if len(seconds) != 2 or None in seconds:
            raise place.error(f"expected start and end in seconds, found {span!r}", "timestamp")
        meta = {} if number(duration) is None else {"duration_s": number(duration)}
        if not question.strip():
            raise place.error("missing or empty", "sentence")
        return Record(
            id=self.unique(name),
            problem_type="temporal grounding",
            data_type="video",
            question=question,
            media=(Medium("video", found),),
            truth={"time": seconds},
            cluster=self.finder.cluster(found),
            meta=meta,
            origin=place.origin,
        )

    def ask(self, sentence: str) -> str:
        return self.question.replace("{sentence}", sentence.strip()) if sentence.strip() else ""


def read_charades_sta(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `charades_sta_test.txt`: `VIDEO start end##sentence` a line."""
    kind = _Set(path, root, options, allow_absolute)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", file=str(path)) from error
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = kind.place(line_number)
        try:
            match = _LINE.match(line)
            if match is None:
                raise place.error("expected `VIDEO start end##sentence`")
            video, start, end, sentence = match.groups()
            name = f"{video}-{line_number}"
            yield kind.record(name, video, kind.ask(sentence), (start, end), place)
        except DataError as error:
            yield error


def read_activitynet_captions(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `val_1.json` or `val_2.json`.

    The file maps a video to `{"duration", "timestamps": [[s, e], …], "sentences": [text, …]}`.
    """
    kind = _Set(path, root, options, allow_absolute)
    content = read_json(path)
    if not isinstance(content, Mapping):
        raise DataError("expected {video: annotations}", file=str(path))
    for video, about in content.items():
        place = kind.place(video)
        if not isinstance(about, Mapping):
            yield place.error("expected an object")
            continue
        spans, sentences = about.get("timestamps"), about.get("sentences")
        if not isinstance(spans, list) or not isinstance(sentences, list):
            yield place.error("expected two lists", "timestamps")
            continue
        if len(spans) != len(sentences):
            yield place.error(
                f"{len(spans)} time spans but {len(sentences)} sentences", "sentences"
            )
            continue
        for index, (span, sentence) in enumerate(zip(spans, sentences, strict=True)):
            spot = kind.place(f"{video}[{index}]")
            try:
                pair = span if isinstance(span, list) else ()
                text = kind.ask(str(sentence))
                yield kind.record(
                    f"{video}-{index}", video, text, pair, spot, about.get("duration")
                )
            except DataError as error:
                yield error


def read_anet_rtl(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of ActivityNet-RTL's question file.

    A list of `{"question_id", "vid", "duration", "question", "answer"}`; the answer begins with
    `<start> <end>` in seconds. Truths are clamped to the video and put in order, as LITA does.
    """
    kind = _Set(path, root, options, allow_absolute)
    content = read_json(path)
    if not isinstance(content, list):
        raise DataError("expected a list of questions", file=str(path))
    for index, about in enumerate(content, start=1):
        place = kind.place(index)
        try:
            if not isinstance(about, Mapping):
                raise place.error("expected an object")
            answer = place.text(about, "answer")
            stamps = [float(stamp) for stamp in _STAMP.findall(answer)[:2]]
            if len(stamps) != 2:
                raise place.error("expected `<start> <end>` in seconds", "answer")
            duration = number(about.get("duration"))
            if duration is not None:
                stamps = [min(max(stamp, 0.0), duration) for stamp in stamps]
            name = place.text(about, "question_id", str(index))
            video, question = place.text(about, "vid"), place.text(about, "question")
            yield kind.record(name, video, question, sorted(stamps), place, duration)
        except DataError as error:
            yield error
