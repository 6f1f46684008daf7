"""Expressions about objects in videos of frames: MeViS and ReasonVOS as released.

MeViS: `meta_expressions.json`, `mask_dict.json` (COCO masks by annotation and frame) and
`JPEGImages/<video>/<frame>.jpg`; the truth is the union of an expression's objects, and a frame
without any of them is scored as an empty mask (its official evaluator does so).
ReasonVOS: `meta_expressions.json`, `Annotations/<source>_<video>_<object>/*.png`, `JPEGImages`.
Neither states a frame rate: `fps` of the task file (6) is used for the clip and its times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers import masks as mask_forms
from onethinker_eval.readers.clips import clip_of
from onethinker_eval.readers.fields import Place, Unique, read_json
from onethinker_eval.records import Medium, Record

__all__ = ["read_mevis", "read_reasonvos"]

_ASK = "Segment this in the video: {sentence}"


def _videos(path: Path) -> Mapping[str, Any]:
    content = read_json(path)
    videos = content.get("videos") if isinstance(content, Mapping) else None
    if not isinstance(videos, Mapping):
        raise DataError('expected {"videos": {name: …}}', file=str(path))
    return videos


def _record(
    name: str,
    sentence: str,
    video: str,
    frames: list[Path],
    masks: list[dict[str, Any]],
    options: Mapping[str, Any],
    place: Place,
    meta: Mapping[str, Any],
) -> Record:
    fps = float(options.get("fps", 6))
    names = [frame.stem for frame in frames]
    height, width = masks[0]["size"]
    return Record(
        id=name,
        problem_type="segmentation",
        data_type="video",
        question=str(options.get("question", _ASK)).replace("{sentence}", sentence.strip()),
        media=(Medium("video", clip_of(frames, fps)),),
        truth=None,
        cluster=video,
        meta={
            "fps": fps,
            "width": int(width),
            "height": int(height),
            "duration_s": len(frames) / fps,
            "segmentation": {"frames": names, "rle": dict(zip(names, masks, strict=True))},
            **meta,
        },
        origin=place.origin,
    )


def read_mevis(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield a record for each expression of a MeViS split that has masks (train, valid_u)."""
    videos = _videos(path)
    dictionary = path.parent / "mask_dict.json"
    if not dictionary.is_file():
        raise DataError("the masks are missing (the split `valid` has none)", file=str(dictionary))
    masks = read_json(dictionary)
    for video, about in videos.items():
        spot = Place(str(path), video, root, allow_absolute)
        try:
            expressions, frames = about["expressions"], [str(name) for name in about["frames"]]
            items = list(expressions.items())
        except (KeyError, TypeError, AttributeError):
            yield spot.error("expected expressions and frames")
            continue
        for key, expression in items:
            place = Place(str(path), f"{video}/{key}", root, allow_absolute)
            try:
                base = path.parent.relative_to(root) / "JPEGImages" / str(video)
                files = [Path(place.media(f"{base}/{name}.jpg", "frames")) for name in frames]
                objects = expression.get("anno_id") if isinstance(expression, Mapping) else None
                truth = _union(objects, masks, len(frames), place)
                sentence = place.text(expression, "exp")
                more = {"objects": len(objects or ())}
                yield _record(
                    f"{video}-{key}", sentence, str(video), files, truth, options, place, more
                )
            except DataError as error:
                yield error


def _union(objects: Any, masks: Any, count: int, place: Place) -> list[dict[str, Any]]:
    """Return for each frame the union of the objects' masks, an empty one where there is none."""
    if not isinstance(objects, list) or not objects:
        raise place.error("expected a list of annotations", "anno_id")
    tracks = []
    for key in objects:
        track = masks.get(str(key)) if isinstance(masks, Mapping) else None
        if not isinstance(track, list) or len(track) != count:
            raise place.error(f"mask_dict.json has no {count} masks of {key}", "anno_id")
        tracks.append(track)
    drawn = [mask for track in tracks for mask in track if isinstance(mask, Mapping) and mask]
    if not drawn:
        raise place.error("no frame has a mask", "anno_id")
    size = drawn[0].get("size")
    found = []
    for frame in range(count):
        here = [track[frame] for track in tracks if track[frame]]
        try:
            found.append(mask_forms.union(here) if here else mask_forms.normalise({"size": size}))
        except (ValueError, KeyError, TypeError) as error:
            raise place.error(f"frame {frame}: {error}", "mask_dict.json") from error
    return found


def read_reasonvos(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield a record for each expression of ReasonVOS; frames without a PNG are not scored."""
    unique = Unique()
    for video, about in _videos(path).items():
        spot = Place(str(path), video, root, allow_absolute)
        expressions = about.get("expressions") if isinstance(about, Mapping) else None
        if not isinstance(expressions, list):
            yield spot.error("expected a list of expressions")
            continue
        for expression in expressions:
            key = expression.get("exp_id") if isinstance(expression, Mapping) else None
            place = Place(str(path), f"{video}/{key}", root, allow_absolute)
            try:
                if not isinstance(expression, Mapping):
                    raise place.error("expected an object")
                yield _reasonvos(str(video), about, expression, path, options, place, unique)
            except DataError as error:
                yield error


def _reasonvos(
    video: str,
    about: Mapping[str, Any],
    expression: Mapping[str, Any],
    path: Path,
    options: Mapping[str, Any],
    place: Place,
    unique: Unique,
) -> Record:
    base = path.parent.relative_to(place.root)
    name = f"{place.text(about, 'source')}_{video}_{place.text(expression, 'obj_id')}"
    folder = Path(place.media(str(base / "JPEGImages" / video), "video"))
    drawn = Path(place.media(str(base / "Annotations" / name), "obj_id"))
    frames = sorted(folder.glob("*.jpg"))
    pictures = {file.stem: file for file in sorted(drawn.glob("*.png"))}
    if not frames or not pictures:
        raise place.error(f"no frames in {folder} or no masks in {drawn}", "video")
    masks = [_png_mask(pictures[frame.stem]) for frame in frames if frame.stem in pictures]
    if not masks:
        raise place.error("frames and masks have no name in common", "obj_id")
    key = place.text(expression, "exp_id")
    more = {"sentence": bool(expression.get("is_sent")), "category": str(about.get("source", ""))}
    shown = [frame for frame in frames if frame.stem in pictures]
    sentence = place.text(expression, "exp_text")
    return _record(unique(f"{name}-{key}"), sentence, video, shown, masks, options, place, more)


def _png_mask(path: Path) -> dict[str, Any]:
    from onethinker_eval.media import images
    from onethinker_eval.metrics import rle

    return rle.encode(images.read(str(path)).pixels.max(axis=2) > 0)
