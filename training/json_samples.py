"""Training samples from files in the released JSON form (OneThinker-train and the like).

Fields are those of the evaluation's reader, and `process`: the thinking to learn, with or without
`<think>` tags (supervised training only). Records that cannot be read, and media that cannot be
decoded, are left out and counted, never trained on as something else.
"""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onethinker_eval.errors import DataError
from onethinker_eval.media import images, video
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.readers import onethinker_json
from onethinker_eval.readers.fields import read_json_list
from onethinker_eval.records import Record
from onethinker_eval.training.mixture import Source
from onethinker_eval.training.recipe import SourceSettings
from onethinker_eval.training.samples import Clip, Sample

__all__ = ["JsonSamples", "json_samples"]

_LOG = logging.getLogger(__name__)
_TAGS = re.compile(r"</?(?:think|answer)>")
_LONGEST_GAP = 50
"""Unreadable media in a row after which the data, not a file, is at fault."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    record: Record
    thinking: str
    answer: str


class JsonSamples:
    """The records of one problem type and modality; media are decoded when asked for."""

    def __init__(
        self,
        name: str,
        modality: Literal["image", "video"],
        lessons: Sequence[_Lesson],
        rule: FrameRule,
        weight: float,
    ) -> None:
        """Keep the records; `rule` says how media are shown."""
        self.source = Source(name, len(lessons), modality, weight)
        self.skipped: Counter[str] = Counter()
        self._lessons = lessons
        self._rule = rule
        self._kept = functools.lru_cache(maxsize=4)(self._read)

    def samples(self, item: int) -> Sequence[Sample]:
        """Return the sample of `item`, or of the next one whose media can be read."""
        return self._kept(item)

    def _read(self, item: int) -> tuple[Sample, ...]:
        for step in range(_LONGEST_GAP):
            lesson = self._lessons[(item + step) % len(self._lessons)]
            try:
                return (self._sample(lesson),)
            except DataError as error:
                self.skipped[lesson.record.id] += 1
                _LOG.warning("left out %s: %s", lesson.record.id, error)
        raise DataError(
            f"{_LONGEST_GAP} records in a row have media that cannot be read",
            file=self._lessons[item].record.origin,
            fix="check data.root of the recipe",
        )

    def _sample(self, lesson: _Lesson) -> Sample:
        stills, clip = [], None
        for medium in lesson.record.media:
            if medium.kind == "image":
                stills.append(images.read(medium.path, self._rule).pixels)
            elif clip is None:
                shown = video.read(medium.path, self._rule)
                clip = Clip(shown.frames, shown.indices, shown.fps)
            else:
                raise DataError("two videos in one record", file=lesson.record.origin)
        return Sample(lesson.record, tuple(stills), clip, lesson.thinking, lesson.answer)


def json_samples(
    settings: SourceSettings, root: Path, rule: FrameRule, *, thinking: bool
) -> list[JsonSamples]:
    """Return one source for each problem type and modality of a file.

    `thinking` asks for records with something to learn from (`process`). Raises `DataError` where
    nothing can be used.
    """
    path = Path(settings.path or "")
    groups: dict[tuple[str, Literal["image", "video"]], list[_Lesson]] = {}
    left_out: Counter[str] = Counter()
    readable = onethinker_json.read(path, root, {})
    for made, (_, raw) in zip(readable, read_json_list(path), strict=True):
        if isinstance(made, DataError):
            left_out[made.problem] += 1
        elif not made.media:
            left_out["no image or video"] += 1
        elif thinking and not _text(raw, "process"):
            left_out["no thinking (process)"] += 1
        else:
            modality: Literal["image", "video"] = (
                "video" if any(medium.kind == "video" for medium in made.media) else "image"
            )
            lesson = _Lesson(made, _text(raw, "process"), _text(raw, "solution"))
            groups.setdefault((made.problem_type.lower(), modality), []).append(lesson)
    for reason, count in left_out.most_common():
        _LOG.warning("%s: left out %d records: %s", path, count, reason)
    if not groups:
        raise DataError(
            f"no record can be trained on; left out: {dict(left_out)}",
            file=str(path),
            fix="check the file and data.root",
        )
    total = sum(len(lessons) for lessons in groups.values())
    return [
        JsonSamples(
            f"{path.stem}:{kind}:{modality}",
            modality,
            lessons,
            rule,
            settings.weight * settings.weights.get(kind, 1.0) * len(lessons) / total,
        )
        for (kind, modality), lessons in sorted(groups.items())
    ]


def _text(raw: Any, name: str) -> str:
    value = raw.get(name) if isinstance(raw, dict) else None
    return _TAGS.sub("", value).strip() if isinstance(value, str) else ""
