"""The list of demo benchmarks: what each draws, how much, and the files it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from onethinker_eval.demo import image_qa, spatial, temporal, tracking
from onethinker_eval.demo.asking import Family, Group, Setting
from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.tables import mathvista_row, mcq_row
from onethinker_eval.demo.writing import Folder, onethinker_record

__all__ = ["TWINS", "Twin", "groups"]

Writer = Callable[[Folder, "Twin", Iterator[Group]], None]
_SIZES = ((160, 128), (160, 128), (128, 128), (128, 160))


@dataclass(frozen=True, slots=True)
class Twin:
    """One demo file: its benchmark's name, what it draws and how many scenes and questions."""

    benchmark: str
    split: str
    family: str
    draw: Family
    write: Writer
    scenes: int
    setting: Setting

    @property
    def label(self) -> str:
        """Name that is unique among the twins, such as "refcoco/testA"."""
        return f"{self.benchmark}/{self.split}"


def groups(twin: Twin, seed: int, split: str, size: tuple[int, int] | None) -> Iterator[Group]:
    """Yield the scenes of a twin; each depends on its own seed only."""
    for index in range(twin.scenes):
        dice = Dice(scene_seed(split, seed, twin.label, index))
        wanted = size or (twin.setting.size if twin.family.startswith(("video", "temp", "spatio",
                          "track")) else dice.pick(_SIZES))
        yield twin.draw(dice, replace(twin.setting, size=wanted))


def _released(file: str, folder_name: str) -> Writer:
    """Return a writer of `eval_<file>.json` with media below Evaluation/<folder_name>."""

    def write(folder: Folder, twin: Twin, drawn: Iterator[Group]) -> None:
        records: list[dict[str, object]] = []
        for at, group in enumerate(drawn):
            stem = f"Evaluation/{folder_name}/{file}_{at:03d}"
            path = folder.media(group.picture, stem)
            for ask in group.asks:
                records.append(
                    onethinker_record(group, ask, len(records) + 1, path, folder_name)
                )
        folder.json(f"eval_{file}.json", records)

    return write


def _table(name: str, row: Callable[[int, Group, int], list[dict[str, object]]]) -> Writer:
    """Return a writer of LMUData/<name>.tsv; `row` makes the rows of one question."""

    def write(folder: Folder, twin: Twin, drawn: Iterator[Group]) -> None:
        rows: list[dict[str, object]] = []
        questions = 0
        for group in drawn:
            for at in range(len(group.asks)):
                rows += row(questions, group, at)
                questions += 1
        folder.table(f"LMUData/{name}.tsv", rows)

    return write


_CLIP = Setting(size=(160, 128), objects=(2, 4), asks=2)
_STILL = Setting(objects=(3, 6), asks=2)


def _refcoco(name: str, short: str) -> list[Twin]:
    splits = {"refcocog": ("val", "test")}.get(name, ("val", "testA", "testB"))
    folder = {"refcoco": "RefCOCO", "refcoco+": "RefCOCOplus", "refcocog": "RefCOCOg"}[name]
    return [
        Twin(name, split, "spatial_grounding", spatial.grounding[f"{short}_{split}"],
             _released(f"{short}_{split}", folder), 12, _STILL)
        for split in splits
    ]


TWINS: tuple[Twin, ...] = (
    *_refcoco("refcoco", "refcoco"),
    *_refcoco("refcoco+", "refcocop"),
    *_refcoco("refcocog", "refcocog"),
    Twin("got10k", "val", "tracking", tracking.tracking, _released("got10k", "GOT-10k"), 24,
         replace(_CLIP, asks=1)),
    Twin("charades", "test", "temporal_grounding", temporal.temporal["charades"],
         _released("charades", "Charades"), 12, _CLIP),
    Twin("mmstar", "val", "image_qa", image_qa.shape_choices, _table("MMStar", mcq_row), 16,
         _STILL),
    Twin("mathvista", "testmini", "image_qa", image_qa.counts,
         _table("MathVista_MINI", mathvista_row), 16, _STILL),
)
