"""Training samples: a record with its media in memory, the thinking and the answer to learn.

The question is put with the very prompt profile of the evaluation (`onethinker_eval.prompts`), the
frames are chosen by the very frame rule (`onethinker_eval.media.frames`), and the reply has the
form the answer parser calls strict.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.answers import wrap
from onethinker_eval.benchmarks import Task, resolve
from onethinker_eval.demo.asking import Ask, Drawable, Setting, some
from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.twins import TWINS, Twin, draw, groups
from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.media.frames import FrameRule, sample_indices
from onethinker_eval.prompts import Profile, content, text_of
from onethinker_eval.readers.questions import options_inside
from onethinker_eval.records import Medium, Record
from onethinker_eval.training.mixture import Source
from onethinker_eval.training.recipe import SourceSettings

__all__ = [
    "Clip",
    "DemoScenes",
    "Sample",
    "SampleSource",
    "demo_scenes",
    "row",
    "source_scenes",
    "words",
]

_SCENES_KEPT = 8
_SCENES_MEASURED = 4
_DRAWS = 200
_BRIEF = "I answer at once."
_ALIKE = dict.fromkeys(
    ("image_qa", "image_caption"), ("image_qa", "image_caption")
) | dict.fromkeys(("video_qa", "video_caption"), ("video_qa", "video_caption"))
"""Families that draw the same kinds of scenes; the others draw their own."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The chosen frames of a video: (T, H, W, 3), their numbers in the file and its rate."""

    frames: NDArray[np.uint8]
    indices: tuple[int, ...]
    fps: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing to learn.

    Media are shown in the order of the record's; if it lists none, the clip first, then the images.
    `task` is the benchmark that is imitated, if any: it may have an instruction of its own.
    `asked_as` is the problem type that the prompt names, if it is not the record's: MMMU asks its
    open questions as choices.
    """

    record: Record
    images: tuple[NDArray[np.uint8], ...]
    clip: Clip | None
    thinking: str
    answer: str
    task: Task | None = None
    asked_as: str = ""


class SampleSource(Protocol):
    """A numbered collection of samples that share media within an item."""

    @property
    def source(self) -> Source:
        """Name, size, modality and weight, for the mixture."""

    def samples(self, item: int) -> Sequence[Sample]:
        """Return the samples of an item, one or more."""


class DemoScenes:
    """Endless generated scenes of one demo twin, none of which shows what the evaluation shows.

    Training and evaluation draw from seeds that never meet; where there are only a few hundred
    different pictures, one that the demo suite holds is drawn anew.
    """

    def __init__(
        self,
        twin: Twin,
        rule: FrameRule,
        *,
        size: int,
        weight: float,
        seed: int = 0,
        asks: int | None = None,
        objects: Sequence[int] = (),
        about: Sequence[str] = (),
        brief: float = 0.0,
    ) -> None:
        """Prepare `size` different scenes; `rule` chooses the frames of clips.

        With `asks` there are so many questions about each (fewer where a scene has no more),
        with `objects` (fewest, most) so many objects, where the twin draws any, with `about` only
        questions that have one of these words. `brief` is the share of the replies that answer
        without a thought.
        """
        modality: Literal["image", "video"] = "video" if _is_video(twin) else "image"
        self._setting = _changed(twin.setting, asks, objects)
        self._twin = twin
        self._alike = _ALIKE.get(twin.family, (twin.family,))
        self._rule = rule
        self._seed = seed
        self._about = tuple(about)
        self._brief = brief
        self._kept = functools.lru_cache(maxsize=_SCENES_KEPT)(self._draw)
        self.source = Source(
            twin.label,
            size,
            modality,
            weight,
            rows=max(1, self._setting.asks),
            length=_length(self),
        )

    def samples(self, item: int) -> Sequence[Sample]:
        """Return the questions of scene `item`; the same for the same item, always."""
        return self._kept(item)

    def _draw(self, item: int) -> tuple[Sample, ...]:
        dice = Dice(scene_seed("train", self._seed, "scenes", self._twin.label, item))
        for attempt in range(_DRAWS):
            source = dice if not attempt else dice.fork("again", attempt)
            group = draw(self._twin, source, item, None, self._setting)
            wanted = tuple(ask for ask in group.asks if self._wants(ask.question))
            if not wanted:
                continue
            shown = [_pixels(picture, self._rule) for picture in (group.picture, *group.more)]
            if _evaluated(self._rule, self._alike).isdisjoint(map(_digest, shown)):
                asks = some(source.fork("asked"), wanted, max(1, self._setting.asks))
                told = self._some_brief(source.fork("brief"), asks)
                return tuple(
                    self._sample(item, place, ask, [shown[at] for at in ask.pictures])
                    for place, ask in enumerate(told)
                )
        raise UsageError(
            f"{self._twin.label}: of {_DRAWS} scenes none had a question about "
            f"{', '.join(self._about) or 'anything'} and was none of the evaluation",
            hint="ask about words that its questions have",
        )

    def _wants(self, question: str) -> bool:
        return not self._about or any(word in question for word in self._about)

    def _some_brief(self, dice: Dice, asks: Sequence[Ask]) -> list[Ask]:
        return [replace(ask, thinking=_BRIEF) if dice.chance(self._brief) else ask for ask in asks]

    def _sample(self, item: int, place: int, ask: Ask, media: list[Any]) -> Sample:
        kind, ask = ask.problem_type, self._twin.form(ask)
        if ask.options or ask.problem_type != "multiple choice":
            kind = ask.problem_type  # an open question of MMMU is rewarded as the number it is
        images = tuple(medium for medium in media if not isinstance(medium, Clip))
        clips = [medium for medium in media if isinstance(medium, Clip)]
        inside = options_inside(ask.options, ask.question)
        record = Record(
            id=f"{self._twin.label}:{item}:{place}",
            problem_type=kind,
            data_type="-".join(["video"] * bool(clips) + ["image"] * bool(images)),
            question=ask.question,
            media=(),
            truth=ask.answer,
            options=ask.options,
            cluster=f"{self._twin.label}:{item}",
            meta={"options_in_question": True} if inside else {},
        )
        clip = clips[0] if clips else None
        task = _imitated(self._twin.benchmarks[0])
        return Sample(record, images, clip, ask.thinking, ask.answer, task, ask.problem_type)


def demo_scenes(
    families: Sequence[str],
    rule: FrameRule,
    *,
    size: int,
    weight: float = 1.0,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
    asks: int | None = None,
    objects: Sequence[int] = (),
    benchmarks: Sequence[str] = (),
    about: Sequence[str] = (),
    brief: float = 0.0,
) -> list[DemoScenes]:
    """Return a source for each demo twin of `families` (empty: all ten).

    With `benchmarks` only the twins of these are taken. A family's weight (`weight` times its
    entry in `weights`) is shared by its twins. Raises `UsageError` for a family that does not
    exist, a benchmark that none of the families has, or a share that is none.
    """
    if not 0.0 <= brief <= 1.0:
        raise UsageError(f"brief is {brief}", hint="give a share of the replies, 0 to 1")
    known = sorted({twin.family for twin in TWINS})
    for name in (*families, *(weights or {})):
        if name not in known:
            raise unknown_name("family", name, known)
    chosen = [twin for twin in TWINS if not families or twin.family in families]
    named = sorted({name for twin in chosen for name in twin.benchmarks})
    for name in benchmarks:
        if name not in named:
            raise unknown_name("benchmark", name, named)
    if benchmarks:
        chosen = [twin for twin in chosen if not set(benchmarks).isdisjoint(twin.benchmarks)]
    counts = {family: sum(twin.family == family for twin in chosen) for family in known}
    return [
        DemoScenes(
            twin,
            rule,
            size=size,
            weight=weight * (weights or {}).get(twin.family, 1.0) / counts[twin.family],
            seed=seed,
            asks=asks,
            objects=objects,
            about=about,
            brief=brief,
        )
        for twin in chosen
    ]


def source_scenes(
    settings: SourceSettings, rule: FrameRule, *, seed: int, size: int | None = None
) -> list[DemoScenes]:
    """Return the sources that a recipe's source of kind `demo` asks for, at most `size` scenes."""
    return demo_scenes(
        settings.families,
        rule,
        size=settings.size if size is None else min(size, settings.size),
        weight=settings.weight,
        weights=settings.weights,
        seed=seed,
        asks=settings.asks,
        objects=settings.objects,
        benchmarks=settings.benchmarks,
        about=settings.about,
        brief=settings.brief,
    )


def _pixels(picture: Drawable, rule: FrameRule) -> NDArray[np.uint8] | Clip:
    if not picture.fps:
        return picture.image()
    chosen = sample_indices(picture.frame_count, picture.fps, rule)
    wanted = set(chosen)
    shown = {at: frame for at, frame in enumerate(picture.frames()) if at in wanted}
    return Clip(np.stack([shown[at] for at in chosen]), tuple(chosen), picture.fps)


def _digest(medium: NDArray[np.uint8] | Clip) -> bytes:
    pixels = medium.frames if isinstance(medium, Clip) else medium
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


@functools.cache
def _evaluated(rule: FrameRule, families: tuple[str, ...]) -> frozenset[bytes]:
    """Return the digests of what the demo suite shows for evaluation, under the same frame rule."""
    return frozenset(
        _digest(_pixels(picture, rule))
        for twin in TWINS
        if twin.family in families
        for group in groups(twin, 0, "eval", None)
        for picture in (group.picture, *group.more)
    )


def _changed(setting: Setting, asks: int | None, objects: Sequence[int]) -> Setting:
    if asks:
        setting = replace(setting, asks=asks)
    if objects:
        if len(objects) != 2 or not 1 <= objects[0] <= objects[1]:
            raise UsageError(
                f"objects is {list(objects)}", hint="give the fewest and the most, as [1, 3]"
            )
        setting = replace(setting, objects=(objects[0], objects[1]))
    return setting


def _length(scenes: DemoScenes) -> int:
    """Return the usual length of a source's questions and replies in characters."""
    texts = [
        sample.record.question + sample.thinking + sample.answer
        for item in range(_SCENES_MEASURED)
        for sample in scenes.samples(item)
    ]
    return sum(map(len, texts)) // len(texts)


def _is_video(twin: Twin) -> bool:
    group = draw(twin, Dice(scene_seed("train", 0, twin.label, 0)), 0, None)
    return bool(group.picture.fps)


@functools.cache
def _imitated(benchmark: str) -> Task:
    return resolve(benchmark)[0]


def _shown(sample: Sample) -> tuple[Medium, ...]:
    """Return the media in the order in which they are shown; an image's path is its number."""
    clips = int(sample.clip is not None)
    images: list[Literal["image", "video"]] = ["image"] * len(sample.images)
    kinds = [medium.kind for medium in sample.record.media]
    if kinds.count("video") != clips or kinds.count("image") != len(images):
        kinds = ["video", *images] if clips else images
    numbers = itertools.count()
    return tuple(Medium(kind, str(next(numbers)) if kind == "image" else "clip") for kind in kinds)


def words(sample: Sample, profile: Profile) -> str:
    """Return the text of a sample's prompt, as the evaluation asks."""
    kind = sample.asked_as or sample.record.problem_type
    return text_of(replace(sample.record, problem_type=kind), sample.task, profile)


def row(sample: Sample, profile: Profile) -> dict[str, Any]:
    """Return a sample as the prompt, completion and images that TRL's trainers take.

    Media stand where the evaluation's `prompts.content` puts them; a clip becomes slots.
    """
    from onethinker_eval.training.slots import video_parts

    parts: list[dict[str, Any]] = []
    images: list[NDArray[np.uint8]] = []
    for part in content(replace(sample.record, media=_shown(sample)), words(sample, profile)):
        if part["type"] == "video" and sample.clip is not None:
            slots, pairs = video_parts(sample.clip.frames, sample.clip.indices, sample.clip.fps)
            parts += slots
            images += pairs
        elif part["type"] == "image":
            parts.append({"type": "image"})
            images.append(sample.images[int(part["url"])])
        else:
            parts.append(part)
    prompt = [{"role": "user", "content": parts}]
    if profile.system:
        lead = [{"type": "text", "text": profile.system}]
        prompt.insert(0, {"role": "system", "content": lead})
    reply = wrap(sample.thinking, sample.answer)
    completion = [{"role": "assistant", "content": [{"type": "text", "text": reply}]}]
    return {
        "prompt": prompt,
        "completion": completion,
        "images": images,
        "record": sample.record.to_json(),
        "truth": sample.record.truth,
        "problem_type": sample.record.problem_type,
        "data_type": sample.record.data_type,
        "options": list(sample.record.options),
    }
