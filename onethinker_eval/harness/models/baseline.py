"""`baseline`: constant answers that look at no pixel and at no truth. The floor to beat."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from onethinker_eval.answers.letters import option_texts
from onethinker_eval.errors import DataError
from onethinker_eval.harness.models.record_model import RecordModel
from onethinker_eval.harness.models.replies import reply_with
from onethinker_eval.records import Record

__all__ = ["Baseline", "constant_answer", "video_seconds"]

CENTRE = (300, 200, 700, 800)
"""The middle of the picture, a little taller than wide, as subjects are; in 0..1000."""
_TRACKED_SECONDS = 32
_BOX = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")


class Baseline(RecordModel):
    """Answers by problem type alone; a clip's length is read from its file."""

    def answer(self, record: Record, task: str) -> str:
        """Return the constant reply for the record's problem type."""
        return reply_with(constant_answer(record))


def constant_answer(record: Record) -> Any:
    """Return what anyone could answer unseen, by problem type.

    The option first in the alphabet; 1; for mathematics 90, as of a right angle; the whole clip;
    the middle of the picture; for tracking the given first box kept still; a sentence that says
    nothing.
    """
    kind = record.problem_type.casefold()
    if kind == "multiple choice":
        return _first_option(record)
    if kind in {"numerical", "regression"}:
        return "1"
    if kind == "math":
        return "90"
    if kind == "temporal grounding":
        return {"time": [0.0, round(video_seconds(record), 2)]}
    if kind == "spatial grounding":
        return {"boxes": list(CENTRE)}
    if kind == "spatial-temporal grounding":
        end = video_seconds(record)
        boxes = {str(second): list(CENTRE) for second in range(int(end) + 1)}
        return {"time": [0.0, round(end, 2)], "boxes": boxes}
    if kind == "tracking":
        given = _BOX.search(record.question)
        box = [int(part) for part in given.groups()] if given else list(CENTRE)
        return {"boxes": {str(second): box for second in range(1, _TRACKED_SECONDS + 1)}}
    if kind == "segmentation":
        points = [[500, 500], [400, 500], [600, 500]]
        far = [[50, 50], [950, 50], [500, 950]]
        answer: dict[str, Any] = {
            "boxes": list(CENTRE),
            "positive_points": points,
            "negative_points": far,
        }
        if record.data_type == "video":
            answer["time"] = round(video_seconds(record) / 2, 1)
        return answer
    return "There is something to see here."


def _first_option(record: Record) -> str:
    """Return the letter of the option whose text comes first in the alphabet.

    Unlike "A" it is the same option in every rotation, so circular evaluation has a floor too.
    """
    table = option_texts(record.options)
    return min(table, key=lambda letter: (table[letter], letter), default="A")


def video_seconds(record: Record) -> float:
    """Return the length of the record's video in seconds, read from the file.

    Raises `DataError` naming the file when it cannot be opened or has no length.
    """
    path = next((medium.path for medium in record.media if medium.kind == "video"), None)
    if path is None:
        raise DataError("a question about time without a video", record=record.id, field="path")
    if Path(path).is_dir():
        # A clip as a folder of frames: one frame a second unless the record says otherwise.
        count = sum(1 for item in Path(path).iterdir() if item.is_file())
        return count / float(record.meta.get("fps") or 1.0)
    import av

    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            if stream.duration is not None and stream.time_base is not None:
                return float(stream.duration * stream.time_base)
            if container.duration is not None:
                return container.duration / av.time_base
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DataError(f"not a readable video: {error}", file=path, fix="restore it") from error
    raise DataError("the video has no length", file=path, fix="convert it to MP4")
