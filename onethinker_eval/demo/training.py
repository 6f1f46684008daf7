"""Training records straight from the generator: pixels in memory, thoughts and answers in words.

Scenes come from the training stream of seeds, which no evaluation scene can come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from onethinker_eval.demo.asking import FAMILIES, Ask, Drawable, Group, some
from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.twins import TWINS, Twin, draw
from onethinker_eval.errors import UsageError
from onethinker_eval.readers.questions import options_inside

__all__ = ["training_records"]

_FEWEST, _MOST = 2, 9


def training_records(
    seed: int,
    n: int,
    families: Sequence[str] | None = None,
    *,
    objects: tuple[int, int] | None = None,
    asks: int = 3,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield `n` of (record, thinking, answer), families in turn, up to `asks` on one scene.

    A record has the keys of `Record.to_json()`, but its media hold pixels: `{"kind": "image",
    "pixels": H×W×3 uint8}` or `{"kind": "video", "frames": T×H×W×3 uint8, "fps": float}`. Records
    of one scene follow each other, share `cluster` and the very same arrays. `objects` (both ends,
    2 to 9) sets how crowded scenes are, from few to many as a curriculum; by default each
    benchmark's own. `size` is (width, height); `fps` renders clips at a lower rate that divides
    their 4 frames a second. The same arguments give the same records. Raises `UsageError`.

    >>> record, thinking, answer = next(training_records(0, 1, ["spatial_grounding"]))
    >>> record["media"][0]["pixels"].dtype, answer.startswith('{"boxes": ')
    (dtype('uint8'), True)
    """
    chosen = tuple(families) if families is not None else FAMILIES
    pools = {name: _twins(name) for name in chosen}
    if not chosen or n < 0 or asks < 1:
        raise UsageError("training_records needs a family, n of 0 or more, asks of 1 or more")
    if objects is not None and not _FEWEST <= objects[0] <= objects[1] <= _MOST:
        raise UsageError(f"objects must be a range within {_FEWEST}..{_MOST}, got {objects!r}")
    made = scenes = 0
    while made < n:
        family = chosen[scenes % len(chosen)]
        dice = Dice(scene_seed("train", seed, "stream", family, scenes))
        twin = dice.pick(pools[family])
        setting = replace(twin.setting, asks=asks, objects=objects or twin.setting.objects)
        group = draw(twin, dice, dice.integer(0, 10**6), size, setting)
        media: dict[int, dict[str, Any]] = {}
        chosen_asks = some(dice.fork("asked"), group.asks, asks)
        for at, ask in enumerate(chosen_asks[: n - made]):
            for picture in ask.pictures:
                if picture not in media:
                    media[picture] = _medium((group.picture, *group.more)[picture], fps)
            record = _record(group, twin.form(ask), [media[picture] for picture in ask.pictures])
            record["id"] = f"train-{seed}-{scenes}-{at}"
            record["cluster"] = f"train-{seed}-{scenes}"
            record["origin"] = f"demo training stream {seed}: scene {scenes}"
            record["meta"] |= {"family": family, "benchmark": twin.benchmarks[0]}
            yield record, ask.thinking, ask.answer
            made += 1
        scenes += 1


def _twins(family: str) -> list[Twin]:
    found = [twin for twin in TWINS if twin.family == family]
    if not found:
        near = get_close_matches(family, FAMILIES, 3) or FAMILIES
        raise UsageError(f"no family {family!r}; nearest: {', '.join(near)}")
    return found


def _medium(picture: Drawable, fps: float | None) -> dict[str, Any]:
    if not picture.fps:
        return {"kind": "image", "pixels": picture.image()}
    step = picture.fps / (fps or picture.fps)
    if step < 1 or step != int(step):
        raise UsageError(f"fps must divide the clip's {picture.fps:g} frames a second, got {fps}")
    kept = [frame for at, frame in enumerate(picture.frames()) if at % int(step) == 0]
    return {"kind": "video", "frames": np.stack(kept), "fps": picture.fps / step}


def _record(group: Group, ask: Ask, media: list[dict[str, Any]]) -> dict[str, Any]:
    picture = group.picture
    kinds = "-".join(dict.fromkeys(medium["kind"] for medium in media))
    meta: dict[str, Any] = {
        "category": ask.category,
        "width": picture.width,
        "height": picture.height,
    }
    if options_inside(ask.options, ask.question):
        meta["options_in_question"] = True
    if picture.fps:
        meta |= {"fps": picture.fps, "duration_s": picture.frame_count / picture.fps}
    if "segmentation_output" in ask.facts:
        meta["segmentation"] = _segmentation(ask.facts["segmentation_output"])
    return {
        "problem_type": ask.problem_type,
        "data_type": kinds,
        "question": ask.question,
        "media": media,
        "truth": f"<answer>{ask.answer}</answer>",
        "options": list(ask.options),
        "meta": meta,
    }


def _segmentation(output: dict[str, Any]) -> dict[str, Any]:
    """Return `{"frames": [...], "rle": {frame: mask or None}}`; an image is the frame "0"."""
    if "frames" not in output:
        return {"frames": ["0"], "rle": {"0": output["segmentation_rle"]}}
    masks = output["segmentation_rle"]
    return {"frames": output["frames"], "rle": {name: masks.get(name) for name in output["frames"]}}
