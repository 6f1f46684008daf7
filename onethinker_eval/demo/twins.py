"""The list of demo benchmarks: what each draws, how much, and the file it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from onethinker_eval.demo import captioning, forms, image_qa, mmt, spatial, tables, video_qa
from onethinker_eval.demo.asking import Ask, Family, Group, Setting
from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.temporal import temporal
from onethinker_eval.demo.tracking import tracking
from onethinker_eval.demo.tubes import tubes
from onethinker_eval.demo.video_masks import video_segmentation
from onethinker_eval.demo.writers import (
    Writer,
    holmes,
    longvideobench,
    released,
    table,
    video_mmlu,
)

__all__ = ["TWINS", "Twin", "draw", "groups"]

_FORMS = ((160, 128), (160, 128), (128, 128), (128, 160))


@dataclass(frozen=True, slots=True)
class Twin:
    """One demo file: benchmarks it serves, family, what it draws (in turn), scenes, setting.

    `form` turns a question into what the file's reader will make of it.
    """

    benchmarks: tuple[str, ...]
    split: str
    family: str
    draws: tuple[Family, ...]
    write: Writer
    scenes: int
    setting: Setting
    form: Callable[[Ask], Ask] = forms.as_is

    @property
    def label(self) -> str:
        """Name that is unique among the twins, such as "refcoco/testA"."""
        return f"{self.benchmarks[0]}/{self.split}"

    @property
    def still(self) -> bool:
        """Whether its media are pictures, which come in several forms."""
        return self.family in (
            "image_qa",
            "image_caption",
            "spatial_grounding",
            "image_segmentation",
        )


def draw(
    twin: Twin, dice: Dice, index: int, size: tuple[int, int] | None, setting: Setting | None = None
) -> Group:
    """Return one scene of a twin; `index` chooses among what it draws in turn."""
    base = setting or twin.setting
    form = size or (dice.pick(_FORMS) if twin.still else base.size)
    return twin.draws[index % len(twin.draws)](dice, replace(base, size=form))


def groups(twin: Twin, seed: int, split: str, size: tuple[int, int] | None) -> Iterator[Group]:
    """Yield the scenes of a twin; each depends on its own seed only."""
    for index in range(twin.scenes):
        dice = Dice(scene_seed(split, seed, twin.label, index))
        yield draw(twin, dice, index, size)


_STILL = Setting(objects=(3, 6), asks=2)
_CLIP = Setting(objects=(2, 4), asks=2)
_THREE = replace(_CLIP, asks=3)


def _boxes(name: str, short: str, folder: str, splits: tuple[str, ...]) -> list[Twin]:
    return [
        Twin(
            (name,),
            split,
            "spatial_grounding",
            _framed(spatial.grounding[f"{short}_{split}"]),
            released(f"{short}_{split}", folder),
            12,
            _STILL,
        )
        for split in splits
    ]


def _framed(drawn: Callable[..., Group]) -> tuple[Family, ...]:
    """Return three plain pictures, then one whose subject fills the middle.

    Photographs have subjects: without any, a guess at the middle would score exactly 0.
    """
    return (drawn, drawn, drawn, partial(drawn, close_up=True))


def _masks(name: str, short: str, folder: str) -> Twin:
    return Twin(
        (name,),
        "val",
        "image_segmentation",
        (spatial.segmentation[f"seg_{short}"],),
        released(f"seg_{short}", folder),
        12,
        _STILL,
    )


def _spans(name: str, split: str, folder: str) -> Twin:
    return Twin(
        (name,), split, "temporal_grounding", (temporal[name],), released(name, folder), 12, _CLIP
    )


def _moving(name: str, folder: str) -> Twin:
    return Twin(
        (name,),
        "val",
        "video_segmentation",
        (video_segmentation[name],),
        released(f"seg_{name}", folder),
        12,
        _CLIP,
    )


_PERCEPTION = (
    *_boxes("refcoco", "refcoco", "RefCOCO", ("val", "testA", "testB")),
    *_boxes("refcoco+", "refcocop", "RefCOCOplus", ("val", "testA", "testB")),
    *_boxes("refcocog", "refcocog", "RefCOCOg", ("val", "test")),
    _masks("refcoco_seg", "refcoco", "RefCOCO_seg"),
    _masks("refcoco+_seg", "refcocop", "RefCOCOplus_seg"),
    _masks("refcocog_seg", "refcocog", "RefCOCOg_seg"),
    _spans("charades", "test", "Charades"),
    _spans("activitynet", "val", "ActivityNet"),
    _spans("anet_rtl", "test", "ANet-RTL"),
    Twin(
        ("stvg",),
        "test",
        "spatio_temporal_grounding",
        (tubes,),
        released("stvg", "STVG"),
        12,
        _CLIP,
    ),
    Twin(
        ("got10k",),
        "val",
        "tracking",
        (tracking,),
        released("got10k", "GOT-10k"),
        24,
        replace(_CLIP, asks=1),
    ),
    _moving("mevis", "MeViS"),
    _moving("reasonvos", "ReasonVOS"),
)
_IMAGES = (
    Twin(
        ("mmmu",),
        "dev_val",
        "image_qa",
        (image_qa.compared, image_qa.mmmu_open, image_qa.mmmu_two, image_qa.compared),
        table("MMMU_DEV_VAL", tables.mmmu_rows),
        28,
        replace(_STILL, asks=1),
        forms.mmmu,
    ),
    Twin(
        ("mathvista",),
        "testmini",
        "image_qa",
        (image_qa.charts, image_qa.counts, image_qa.geometry),
        table("MathVista_MINI", tables.mathvista_rows),
        18,
        _STILL,
        forms.mathvista,
    ),
    Twin(
        ("mathverse",),
        "testmini",
        "image_qa",
        (image_qa.versions,),
        table("MathVerse_MINIV", tables.mathverse_rows),
        8,
        _STILL,
        forms.mathverse,
    ),
    Twin(
        ("mmbench",),
        "dev_en",
        "image_qa",
        (image_qa.shape_choices, image_qa.science),
        table("MMBench_DEV_EN", tables.mmbench_rows),
        10,
        replace(_STILL, asks=1),
        forms.hinted,
    ),
    Twin(
        ("mmstar",),
        "val",
        "image_qa",
        (image_qa.shape_choices, image_qa.charts_as_choices),
        table("MMStar", tables.mmstar_rows),
        14,
        _STILL,
    ),
    Twin(
        ("scienceqa",),
        "test_img",
        "image_qa",
        (image_qa.science,),
        table("ScienceQA_TEST", tables.scienceqa_rows),
        22,
        _STILL,
        forms.hinted,
    ),
    Twin(
        ("ai2d",),
        "test",
        "image_qa",
        (image_qa.diagrams,),
        table("AI2D_TEST", tables.ai2d_rows),
        14,
        _STILL,
    ),
    Twin(
        ("mmt_bench", "mmt_caption"),
        "val",
        "image_qa",
        mmt.subtasks(),
        table("MMT-Bench_VAL", tables.mmt_rows),
        40,
        _STILL,
    ),
    Twin(
        ("mmsci_caption",),
        "dev",
        "image_caption",
        (captioning.chart_figure, captioning.scene_figure),
        table("MMSci_DEV_Captioning_image_only", tables.mmsci_rows),
        24,
        _STILL,
    ),
)
_VIDEOS = (
    Twin(
        ("videommmu",),
        "test",
        "video_qa",
        (video_qa.lesson_tracks,),
        released("videommmu", "VideoMMMU"),
        10,
        _CLIP,
    ),
    Twin(
        ("mmvu",),
        "val",
        "video_qa",
        (video_qa.clips((8, 14), 5),),
        released("mmvu", "MMVU"),
        12,
        _CLIP,
    ),
    Twin(
        ("videomme",),
        "test",
        "video_qa",
        (
            video_qa.clips((6, 9), 4, category="short"),
            video_qa.clips((14, 18), 4, category="medium"),
            video_qa.clips((24, 30), 4, category="long"),
        ),
        released("videomme", "VideoMME"),
        12,
        _CLIP,
    ),
    Twin(
        ("videoholmes",),
        "test",
        "video_qa",
        (video_qa.clips((12, 18), 6, ("happens", "next", "which_first", "who", "fate")),),
        holmes,
        12,
        _CLIP,
    ),
    Twin(
        ("longvideobench",),
        "val",
        "video_qa",
        (video_qa.clips((10, 14), 5), video_qa.clips((28, 36), 5)),
        longvideobench,
        10,
        _CLIP,
    ),
    Twin(
        ("longvideo_reason",),
        "test",
        "video_qa",
        (video_qa.clips((32, 40), 4, ("next", "which_first", "who", "happens", "part")),),
        released("longvideoreason", "LongVideoReason"),
        8,
        _THREE,
    ),
    Twin(
        ("videomathqa",),
        "test",
        "video_qa",
        (video_qa.math_lessons,),
        released("videomathqa", "VideoMathQA"),
        12,
        _CLIP,
    ),
    Twin(
        ("videommlu_caption",),
        "cap",
        "video_caption",
        (captioning.lesson_story, captioning.clip_story),
        video_mmlu,
        12,
        _CLIP,
        forms.lecture,
    ),
)

TWINS: tuple[Twin, ...] = (*_PERCEPTION, *_IMAGES, *_VIDEOS)
