"""What a recipe would train on: records, media, caps, lengths and shares, source by source.

Every medium is opened and decoded once (see `media_facts`); nothing is changed. Numbers of a
source are of the records that training would draw from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from onethinker_eval.errors import DataError
from onethinker_eval.media.frames import FrameRule, image_size, sample_indices, video_size
from onethinker_eval.records import Medium
from onethinker_eval.training.contamination import Item
from onethinker_eval.training.json_samples import frame_rule, group_weight, sort_lessons
from onethinker_eval.training.lengths import LengthLimit
from onethinker_eval.training.lessons import Lesson
from onethinker_eval.training.media_facts import MediumFacts, Progress, inspect
from onethinker_eval.training.mixture import Source, arrange
from onethinker_eval.training.recipe import Recipe, SourceSettings
from onethinker_eval.training.samples import Clip, Sample, source_scenes

__all__ = ["DataReport", "FileReport", "SourceReport", "check_data"]

_QUOTED = re.compile(r"'[^']*'")
_UNDECODABLE = "the video cannot be decoded"
_MOST_BLOCKS = 2000
"""Batches over which shares are counted; more change them by less than is shown."""


@dataclass(slots=True)
class FileReport:
    """One JSON file: its records, and how many are left out for each reason."""

    path: str
    records: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        """Return how many records can be trained on."""
        return self.records - self.left_out.total()


@dataclass(slots=True)
class SourceReport:
    """One source of the mixture: what it holds, what is cut, how often it is drawn.

    `smaller_images`, `smaller_frames`, `fewer_frames` count records with media that the caps of
    pixels and frames cut; `too_long` those above `data.max_length`. `share` is of all samples
    drawn, `passes` how often each record is seen in the run.
    """

    name: str
    modality: str
    records: int = 0
    media: int = 0
    smaller_images: int = 0
    smaller_frames: int = 0
    fewer_frames: int = 0
    too_long: int = 0
    tokens: tuple[int, int, int] | None = None
    """Shortest, median and longest sample, where tokens were counted."""
    share: float = 0.0
    passes: float = 0.0


@dataclass(frozen=True, slots=True)
class DataReport:
    """The whole check; `items` and `facts` are what `contamination.compare` takes."""

    files: tuple[FileReport, ...]
    sources: tuple[SourceReport, ...]
    items: tuple[Item, ...] = ()
    facts: Mapping[Medium, MediumFacts] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Return how many records cannot be trained on."""
        return sum(made.left_out.total() for made in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        files = [{**asdict(made), "left_out": dict(made.left_out)} for made in self.files]
        return {"files": files, "sources": [asdict(made) for made in self.sources]}


def check_data(
    recipe: Recipe,
    limit: LengthLimit | None = None,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> DataReport:
    """Check the sources of a recipe; `limit` counts tokens. Raises `DataError` for a bad file."""
    rule = frame_rule(recipe.data)
    files: list[FileReport] = []
    groups: list[tuple[SourceReport, float, list[Lesson]]] = []
    drawn: list[tuple[SourceReport, Source]] = []
    facts: Mapping[Medium, MediumFacts] = {}
    for settings in recipe.data.sources:
        if settings.kind == "demo":
            drawn += _demo(settings, rule, recipe.data.seed)
            continue
        report, lessons, found = _file(settings, recipe, workers, progress)
        files.append(report)
        facts = {**facts, **found}
        total = sum(len(group) for group in lessons.values())
        for (kind, modality), group in sorted(lessons.items()):
            name = f"{Path(report.path).stem}:{kind}:{modality}"
            weight = group_weight(settings, kind, len(group), total)
            groups.append((SourceReport(name, modality), weight, group))
    items: list[Item] = []
    for source, weight, group in groups:
        _count(source, group, facts, rule, limit)
        items += [Item(source.name, lesson.record) for lesson in group]
        about = Source(source.name, len(group), group[0].modality, weight)
        drawn.append((source, about))
    _shares(drawn, recipe)
    return DataReport(tuple(files), tuple(made for made, _ in drawn), tuple(items), facts)


def _demo(
    settings: SourceSettings, rule: FrameRule, seed: int
) -> list[tuple[SourceReport, Source]]:
    scenes = source_scenes(settings, rule, seed=seed)
    made = []
    for scene in scenes:
        about = scene.source
        report = SourceReport(f"demo:{about.name}", about.modality, about.size * about.rows)
        made.append((report, about))
    return made


def _file(
    settings: SourceSettings, recipe: Recipe, workers: int, progress: Progress | None
) -> tuple[FileReport, dict[Any, list[Lesson]], Mapping[Medium, MediumFacts]]:
    """Return a file's report, its usable records by type and modality, and its media's facts."""
    path = Path(settings.path or "")
    groups, left_out = sort_lessons(path, Path(recipe.data.root), thinking=recipe.stage == "sft")
    report = FileReport(str(path), len(left_out) + sum(map(len, groups.values())))
    report.left_out.update(_QUOTED.sub("…", item.reason) for item in left_out)
    media = (m for group in groups.values() for lesson in group for m in lesson.record.media)
    facts = inspect(media, workers=workers, progress=progress)
    rule = frame_rule(recipe.data)
    kept: dict[Any, list[Lesson]] = {}
    for key, group in groups.items():
        for lesson in group:
            reason = _unusable(lesson, facts, rule)
            if reason:
                report.left_out[reason] += 1
            else:
                kept.setdefault(key, []).append(lesson)
    return report, kept, facts


def _unusable(lesson: Lesson, facts: Mapping[Medium, MediumFacts], rule: FrameRule) -> str:
    """Return why a record's media cannot be trained on, without names of files; "" if they can."""
    for medium in lesson.record.media:
        about = facts[medium]
        if about.problem:
            undecodable = about.problem.startswith(("decord:", "pyav:"))
            return _UNDECODABLE if undecodable else about.problem.split(":")[0]
        try:
            _shown(medium, about, rule)
        except DataError as error:
            return "too narrow" if "narrow" in error.problem else error.problem.split(" has ")[0]
    return ""


def _shown(medium: Medium, about: MediumFacts, rule: FrameRule) -> tuple[list[int], int, int]:
    """Return the frames (none of an image), height and width that training would show."""
    if medium.kind == "image":
        return [], *image_size(about.height, about.width, rule)
    chosen = sample_indices(about.n_frames, about.fps, rule)
    return chosen, *video_size(about.height, about.width, len(chosen), rule)


def _count(
    report: SourceReport,
    lessons: Sequence[Lesson],
    facts: Mapping[Medium, MediumFacts],
    rule: FrameRule,
    limit: LengthLimit | None,
) -> None:
    lengths = []
    report.records = len(lessons)
    report.media = len({medium for lesson in lessons for medium in lesson.record.media})
    for lesson in lessons:
        cut = {
            name for medium in lesson.record.media for name in _cuts(medium, facts[medium], rule)
        }
        report.smaller_images += "image" in cut
        report.smaller_frames += "frame" in cut
        report.fewer_frames += "frames" in cut
        if limit is not None:
            lengths.append(limit.of(_blank(lesson, facts, rule)))
            report.too_long += lengths[-1] > limit.most
    if lengths:
        report.tokens = (min(lengths), int(np.median(lengths)), max(lengths))


def _cuts(medium: Medium, about: MediumFacts, rule: FrameRule) -> list[str]:
    """Return which caps cut a medium: image pixels, frame pixels, number of frames."""
    area = about.width * about.height
    if medium.kind == "image":
        return ["image"] if area > rule.image_pixels else []
    cut = ["frame"] if area > rule.frame_pixels else []
    if about.n_frames / about.fps * rule.fps > rule.max_frames:
        cut.append("frames")
    return cut


def _blank(lesson: Lesson, facts: Mapping[Medium, MediumFacts], rule: FrameRule) -> Sample:
    """Return the sample with pixels that take no memory: its length depends on sizes alone."""
    stills, clip = [], None
    for medium in lesson.record.media:
        about = facts[medium]
        chosen, height, width = _shown(medium, about, rule)
        nothing = np.zeros((), np.uint8)
        if medium.kind == "image":
            stills.append(np.broadcast_to(nothing, (height, width, 3)))
        else:
            frames = np.broadcast_to(nothing, (len(chosen), height, width, 3))
            clip = Clip(frames, tuple(chosen), about.fps)
    return Sample(lesson.record, tuple(stills), clip, lesson.thinking, lesson.answer)


def _shares(drawn: Sequence[tuple[SourceReport, Source]], recipe: Recipe) -> None:
    """Note how often each source is drawn, by laying out the order that training would follow."""
    if not drawn:
        return
    blocks = min(recipe.run.steps, _MOST_BLOCKS)
    order = arrange(
        [source for _, source in drawn],
        blocks,
        recipe.run.batch,
        recipe.run.video_batch,
        seed=recipe.data.seed,
        video_share=recipe.data.video_share,
        video_from=recipe.data.video_from,
        sort=recipe.data.sort,
    )
    counts = np.bincount(order.sources, minlength=len(drawn))
    for (report, source), count in zip(drawn, counts.tolist(), strict=True):
        report.share = count / len(order)
        seen = count * recipe.run.steps / blocks
        report.passes = seen / (source.size * source.rows)
