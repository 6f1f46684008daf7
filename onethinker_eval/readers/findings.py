"""What can be wrong with one record, told without its media: `Finding` and the checks on a record.

Boxes are x1, y1, x2, y2 in 0..1000 of each axis; spans are seconds from the start of the video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError
from onethinker_eval.records import Record

__all__ = ["KINDS", "Finding", "Video", "record_findings", "span_findings"]

KINDS: Mapping[str, str] = {
    "source": "the data of a task are missing or cannot be read at all",
    "checksum": "a file is not the one the benchmark publishes",
    "count": "there are fewer or more records than the benchmark has",
    "record": "a record cannot be read",
    "question": "a question is empty or still holds a placeholder",
    "duplicate id": "two records have the same id",
    "duplicate": "two records show and ask the same",
    "options": "a multiple choice record without a right option",
    "truth": "a truth cannot be read under its problem type",
    "box": "a box leaves the image or has no area",
    "span": "a time span is empty, negative or lies outside its video",
    "span end": "a time span ends after its video does",
    "mask": "a mask is damaged, empty or of another size than its image",
    "circular": "a rotation of a circular question is missing or given twice",
    "medium missing": "an image or a video is not there",
    "medium": "an image or a video does not decode, or is too short",
    "size": "the annotated size or frame rate is not the medium's",
}
"""Each kind of finding, and what it means."""

_TAG = re.compile(r"<(?:image|video)>", re.IGNORECASE)
_BOX_TYPES = ("spatial grounding", "spatial-temporal grounding", "tracking")
_SLACK_S = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its `kind` (see `KINDS`), where it is, and what was found.

    An "error" makes scores wrong or samples fail; a "warning" is a property of the data to know.
    """

    task: str
    kind: str
    severity: Literal["error", "warning"]
    message: str
    record: str = ""
    file: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Video:
    """What is known of a medium: its size in pixels, and for videos length and frame rate."""

    width: int
    height: int
    duration_s: float = 0.0
    fps: float = 0.0


def record_findings(task: Task, record: Record) -> Iterator[Finding]:
    """Yield what is wrong with the words, options, truth and masks of a record."""

    def found(kind: str, message: str) -> Finding:
        return Finding(task.name, kind, "error", message, record.id, record.origin)

    if not record.question.strip():
        yield found("question", "the question is empty")
    elif _TAG.search(record.question):
        yield found("question", "the question still holds <image> or <video>")
    problem_type = record.problem_type.strip().lower()
    if problem_type == "segmentation":
        yield from (found("mask", message) for message in _mask_problems(record))
        if record.truth is None:
            return
    truth: Any = None
    try:
        from onethinker_eval.scoring.truths import read_truth

        truth = read_truth(record.truth, problem_type, record.data_type)
    except DataError as error:
        yield found("truth", error.problem)
        return
    except (KeyError, TypeError, ValueError) as error:
        yield found("truth", f"the truth cannot be read: {error!r}")
        return
    if problem_type == "multiple choice" and record.options:
        yield from (found("options", message) for message in _option_problems(record, truth))
    if problem_type in _BOX_TYPES:
        yield from (found("box", message) for message in _box_problems(truth, problem_type))


def _option_problems(record: Record, truth: Any) -> Iterator[str]:
    letters = [option[:1] for option in record.options]
    if len(record.options) < 2:
        yield f"{len(record.options)} option"
    texts = [option.partition(". ")[2].strip() for option in record.options]
    if any(not text for text in texts):
        yield "an option without text"
    right = str(truth).strip()
    letter = right[:1].upper() if re.fullmatch(r"\(?[A-Za-z]\)?(?:[.):\s].*)?", right) else ""
    if letter not in letters and right not in texts:
        yield f"the answer {right[:30]!r} is none of {', '.join(letters)}"


def _box_problems(truth: Any, problem_type: str) -> Iterator[str]:
    if problem_type == "spatial grounding":
        boxes: Mapping[Any, Any] = {"": truth}
    else:
        boxes = truth.boxes if hasattr(truth, "boxes") else truth
    for key, box in boxes.items():
        where = f"second {key}: " if key != "" else ""
        x1, y1, x2, y2 = box
        shown = [round(value, 2) for value in box]
        if min(box) < 0 or max(box) > 1000:
            yield f"{where}the box {shown} leaves 0..1000"
        elif x2 <= x1 or y2 <= y1:
            yield f"{where}the box {shown} has no area"
        if problem_type != "spatial grounding" and isinstance(key, int) and key < 0:
            yield f"{where}a second before the start"


def _mask_problems(record: Record) -> Iterator[str]:
    from onethinker_eval.metrics import rle

    about = record.meta.get("segmentation")
    if not isinstance(about, Mapping) or not about.get("frames"):
        yield "no masks"
        return
    area, annotated = 0, 0
    size = [record.meta.get("height"), record.meta.get("width")]
    for name in about["frames"]:
        mask = about["rle"].get(name)
        if mask is None:
            continue
        annotated += 1
        try:
            runs = rle.read(mask)
        except ValueError as error:
            yield f"frame {name}: {error}"
            return
        if None not in size and [runs.height, runs.width] != size:
            yield f"frame {name}: a mask of {runs.width}x{runs.height} on {size[1]}x{size[0]}"
            return
        area += runs.area
    if not annotated:
        yield "no frame has a mask"
    elif not area:
        yield "all masks are empty"


def span_findings(task: Task, record: Record, video: Video | None) -> Iterator[Finding]:
    """Yield what is wrong with the time span of a record, given its video if it is known."""
    problem_type = record.problem_type.strip().lower()
    if problem_type not in ("temporal grounding", "spatial-temporal grounding"):
        return
    try:
        from onethinker_eval.scoring.truths import read_truth

        truth = read_truth(record.truth, problem_type, record.data_type)
    except (DataError, KeyError, TypeError, ValueError):
        return  # told already
    start, end = truth.span_s if hasattr(truth, "span_s") else truth
    duration = video.duration_s if video and video.duration_s else record.meta.get("duration_s")
    shown = f"[{start:g}, {end:g}] s"
    name, origin = record.id, record.origin
    if start < 0 or end <= start:
        yield Finding(task.name, "span", "error", f"the span {shown} is empty", name, origin)
    elif duration and start >= duration:
        message = f"the span {shown} starts after the video ({duration:.2f} s)"
        yield Finding(task.name, "span", "error", message, name, origin)
    elif duration and end > duration + _SLACK_S:
        message = f"the span {shown} ends after the video ({duration:.2f} s)"
        yield Finding(task.name, "span end", "warning", message, name, origin)
