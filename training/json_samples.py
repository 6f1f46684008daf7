"""Training samples from files in the released JSON form (OneThinker-train and the like).

Records that cannot be read, and media that cannot be decoded, are left out and counted, never
trained on as something else.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from onethinker_eval.errors import DataError
from onethinker_eval.media import images, video
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.training.lessons import LeftOut, Lesson, read_lessons
from onethinker_eval.training.mixture import Source
from onethinker_eval.training.recipe import DataSettings, SourceSettings
from onethinker_eval.training.samples import Clip, Sample

__all__ = ["JsonSamples", "frame_rule", "group_weight", "json_samples", "sort_lessons"]

_LOG = logging.getLogger(__name__)
_LONGEST_GAP = 50
"""Unreadable media in a row after which the data, not a file, is at fault."""

Groups = dict[tuple[str, Literal["image", "video"]], list[Lesson]]


class JsonSamples:
    """The records of one problem type and modality; media are decoded when asked for."""

    def __init__(
        self,
        name: str,
        modality: Literal["image", "video"],
        lessons: Sequence[Lesson],
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

    def _sample(self, lesson: Lesson) -> Sample:
        stills, clip = [], None
        for medium in lesson.record.media:
            if medium.kind == "image":
                stills.append(images.read(medium.path, self._rule).pixels)
            else:
                shown = video.read(medium.path, self._rule)
                clip = Clip(shown.frames, shown.indices, shown.fps)
        return Sample(lesson.record, tuple(stills), clip, lesson.thinking, lesson.answer)


def frame_rule(data: DataSettings) -> FrameRule:
    """Return how a recipe shows media: rate, most frames, most pixels."""
    return FrameRule(
        fps=data.fps,
        max_frames=data.max_frames,
        frame_pixels=data.frame_pixels,
        image_pixels=data.image_pixels,
    )


def json_samples(
    settings: SourceSettings, root: Path, rule: FrameRule, *, thinking: bool
) -> list[JsonSamples]:
    """Return one source for each problem type and modality of a file.

    `thinking` asks for records with something to learn from (`process`). Raises `DataError` where
    nothing can be used.
    """
    path = Path(settings.path or "")
    groups, left_out = sort_lessons(path, root, thinking=thinking)
    for reason, count in Counter(item.reason for item in left_out).most_common():
        _LOG.warning("%s: left out %d records: %s", path, count, reason)
    if not groups:
        raise DataError(
            f"no record can be trained on; left out: "
            f"{dict(Counter(item.reason for item in left_out))}",
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
            group_weight(settings, kind, len(lessons), total),
        )
        for (kind, modality), lessons in sorted(groups.items())
    ]


def sort_lessons(path: Path, root: Path, *, thinking: bool) -> tuple[Groups, list[LeftOut]]:
    """Return the usable records of a file by problem type and modality, and the others."""
    groups: Groups = {}
    left_out: list[LeftOut] = []
    for made in read_lessons(path, root, thinking=thinking):
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            groups.setdefault((made.kind, made.modality), []).append(made)
    return groups, left_out


def group_weight(settings: SourceSettings, kind: str, size: int, total: int) -> float:
    """Return the weight of a problem type with `size` of a file's `total` records."""
    return settings.weight * settings.weights.get(kind, 1.0) * size / total
