"""Reading the demo suite's files in tests: records, tables, decoded clips, bodies in frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from onethinker_eval.demo.asking import Group
from onethinker_eval.demo.twins import TWINS, groups

NAMES = [
    "mmmu",
    "mathvista",
    "mathverse",
    "mmbench",
    "mmstar",
    "scienceqa",
    "ai2d",
    "mmt_bench",
    "videommmu",
    "mmvu",
    "videomme",
    "videoholmes",
    "longvideobench",
    "longvideo_reason",
    "videomathqa",
    "mmsci_caption",
    "mmt_caption",
    "videommlu_caption",
    "charades",
    "activitynet",
    "anet_rtl",
    "refcoco",
    "refcoco+",
    "refcocog",
    "stvg",
    "got10k",
    "refcoco_seg",
    "refcoco+_seg",
    "refcocog_seg",
    "mevis",
    "reasonvos",
]
RELEASED = [
    "refcoco_val",
    "refcoco_testA",
    "refcoco_testB",
    "refcocop_val",
    "refcocop_testA",
    "refcocop_testB",
    "refcocog_val",
    "refcocog_test",
    "charades",
    "activitynet",
    "anet_rtl",
    "stvg",
    "got10k",
    "seg_refcoco",
    "seg_refcocop",
    "seg_refcocog",
    "seg_mevis",
    "seg_reasonvos",
    "longvideoreason",
    "mmvu",
    "videomathqa",
    "videomme",
    "videommmu",
]
TABLES = {
    "MMMU_DEV_VAL": "index question A B C D answer category split image",
    "MathVista_MINI": "index question image answer question_type answer_type answer_option "
    "choices task skills",
    "MathVerse_MINIV": "index image question query_cot question_for_eval answer metadata "
    "problem_version question_type",
    "MMBench_DEV_EN": "index question hint A B C D answer category l2-category split image",
    "MMStar": "index question A B C D answer category l2_category image",
    "ScienceQA_TEST": "index question hint A B C D answer image",
    "AI2D_TEST": "index question A B C D answer image",
    "MMT-Bench_VAL": "index question A B C D E F G H I answer category l2-category split image",
    "MMSci_DEV_Captioning_image_only": "index image question image_id caption abstract subject "
    "category",
    "Video_MMLU_CAP": "index video discipline question",
}


def released(suite: Path, name: str) -> list[dict[str, Any]]:
    """Return the records of eval_<name>.json."""
    return json.loads((suite / f"eval_{name}.json").read_text())


def rows(suite: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of LMUData/<name>.tsv."""
    with (suite / "LMUData" / f"{name}.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def answer(record: dict[str, Any]) -> Any:
    """Return what a record's solution wraps, JSON read."""
    text = record["solution"]
    assert text.startswith("<answer>")
    assert text.endswith("</answer>")
    text = text[len("<answer>") : -len("</answer>")]
    return json.loads(text) if text.startswith("{") else text


@lru_cache(maxsize=4)
def decoded(path: str) -> list[np.ndarray]:
    """Return all frames of a clip as RGB arrays."""
    import av

    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def fits(box: list[int]) -> bool:
    """Tell whether a box is integers, in order and within 0..1000."""
    x1, y1, x2, y2 = box
    return 0 <= x1 < x2 <= 1000 and 0 <= y1 < y2 <= 1000 and all(isinstance(v, int) for v in box)


def drawn(label: str, seed: int = 0, split: str = "eval") -> Iterator[Group]:
    """Draw the scenes of a twin again."""
    twin = next(twin for twin in TWINS if twin.label == label)
    return groups(twin, seed, split, None)


def shown_box(frame: np.ndarray, scene: Any, index: int, number: int) -> tuple[int, ...]:
    """Find a body in a decoded frame: where it is nearer the picture with it than without it."""
    bodies = scene.bodies[:index] + scene.bodies[index + 1 :]
    without = replace(scene, bodies=bodies).image(number).astype(int)
    full = scene.image(number).astype(int)
    differs = (full != without).any(axis=2)
    nearer = np.abs(frame - full).sum(axis=2) < np.abs(frame - without).sum(axis=2)
    mask = differs & nearer
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1
