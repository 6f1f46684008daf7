"""The released OneThinker evaluation files: a JSON list or JSON lines, one object a sample.

Fields read: `problem`, `problem_type`, `data_type`, `options`, `solution` (with or without
`<answer>` tags), `path`, `additional_path`, `problem_id`, `resolution`, `fps`,
`segmentation_output` (`segmentation_rle`: one mask for an image, `{frame: mask}` for a video,
and `frames`, the ordered frame names). Source: the consumers of these files in the authors'
evaluation scripts.

`meta["segmentation"]` is `{"frames": [name, …], "rle": {name: mask or None}}` for both kinds; an
image has the single frame `"0"`. Frame i of a video stands at i / fps seconds. A frame without a
mask (None) is not scored; a mask without counts is an empty one, and is.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers import masks as mask_forms
from onethinker_eval.readers.fields import (
    Place,
    Unique,
    absent,
    lettered,
    number,
    read_json_list,
    strip_tags,
)
from onethinker_eval.records import Medium, Record

__all__ = ["read"]

_DATA_TYPES = ("image", "video", "video-image", "text")
_KEPT = ("data_source", "original_question_type", "duration", "difficulty", "question_type")


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield each record of `path`, or the error that keeps it from being one.

    `options` are the source's: `category`, the fields (first that is set) that give
    `meta["category"]`; `problem_type` and `data_type` where the file has none.
    """
    unique = Unique()
    for index, value in read_json_list(path):
        if isinstance(value, DataError):
            yield value
            continue
        place = Place(str(path), index, root, allow_absolute)
        try:
            yield _record(value, place, options, unique)
        except DataError as error:
            yield error


def _record(value: Any, place: Place, options: Mapping[str, Any], unique: Unique) -> Record:
    if not isinstance(value, Mapping):
        raise place.error(f"expected an object, found {type(value).__name__}")
    problem_type = place.text(value, "problem_type", str(options.get("problem_type", "")) or None)
    data_type = place.text(value, "data_type", str(options.get("data_type", "")) or None).lower()
    if data_type not in _DATA_TYPES:
        raise place.error(
            f"unknown data type {data_type!r}", "data_type", f"use one of {', '.join(_DATA_TYPES)}"
        )
    media = _media(value, data_type, place)
    name = value.get("problem_id")
    plain = isinstance(name, (str, int)) and not isinstance(name, bool) and not absent(name)
    cluster = _cluster(media, place) or str(name if plain else place.record)
    return Record(
        id=unique(str(name if plain else place.record)),
        problem_type=problem_type.strip(),
        data_type=data_type,
        question=strip_tags(place.text(value, "problem")),
        media=media,
        truth=_truth(value, problem_type, place),
        options=_options(value, problem_type, place),
        cluster=cluster,
        meta=_meta(value, data_type, problem_type, options, place),
        origin=place.origin,
    )


def _media(value: Mapping[str, Any], data_type: str, place: Place) -> tuple[Medium, ...]:
    if data_type == "text":
        return ()
    first = "image" if data_type == "image" else "video"
    paths = value.get("path")
    several = paths if isinstance(paths, list) and paths else [paths]
    media = [Medium(first, place.media(item, "path")) for item in several]  # type: ignore[arg-type]
    if data_type == "video-image":
        media.append(Medium("image", place.media(value.get("additional_path"), "additional_path")))
    return tuple(media)


def _cluster(media: tuple[Medium, ...], place: Place) -> str:
    if not media:
        return ""
    root = str(place.root).rstrip("/") + "/"
    return media[0].path.removeprefix(root)


def _truth(value: Mapping[str, Any], problem_type: str, place: Place) -> Any:
    solution = value.get("solution")
    if absent(solution):
        if problem_type.strip().lower() == "segmentation":
            return None  # the masks are the truth; the released box and points are a by-product
        raise place.error("missing or empty", "solution", "a sample needs its truth to be scored")
    if isinstance(solution, (str, int, float, Mapping, list)) and not isinstance(solution, bool):
        return solution
    raise place.error(f"expected a text or a JSON value, found {solution!r}", "solution")


def _options(value: Mapping[str, Any], problem_type: str, place: Place) -> tuple[str, ...]:
    given = value.get("options")
    if problem_type.strip().lower() != "multiple choice" or given is None:
        return ()
    if isinstance(given, Mapping):
        given = [f"{letter}. {text}" for letter, text in given.items()]
    if not isinstance(given, list) or not all(
        isinstance(item, (str, int, float)) for item in given
    ):
        raise place.error("expected a list of texts", "options")
    if len(given) > 26:
        raise place.error(f"{len(given)} options are more than there are letters", "options")
    return lettered([str(item) for item in given])


def _meta(
    value: Mapping[str, Any],
    data_type: str,
    problem_type: str,
    options: Mapping[str, Any],
    place: Place,
) -> dict[str, Any]:
    meta: dict[str, Any] = {key: value[key] for key in _KEPT if not absent(value.get(key))}
    category = _category(value, options)
    if category:
        meta["category"] = category
    fps = number(value.get("fps"))
    if fps is not None and fps > 0:
        meta["fps"] = fps
    duration = number(value.get("duration_s", value.get("duration")))
    if duration is not None and duration > 0:
        meta["duration_s"] = duration
    size = value.get("resolution")
    if isinstance(size, Mapping):
        width, height = number(size.get("width")), number(size.get("height"))
        if width and height and width > 0 and height > 0:
            meta["width"], meta["height"] = int(width), int(height)
    if problem_type.strip().lower() == "segmentation":
        meta["segmentation"] = _segmentation(value, data_type, meta, place)
        if data_type == "video" and "fps" not in meta:
            raise place.error("expected a number above 0", "fps", "frames are placed by it")
    return meta


def _category(value: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Return the first category field that is set, else a known name among the path's folders."""
    for key in options.get("category", ("category",)):
        if isinstance(value.get(key), str) and value[key].strip():
            return str(value[key]).strip()
    known = {str(name).casefold(): str(name) for name in options.get("category_folders", ())}
    path = value.get("path")
    for part in path.split("/") if known and isinstance(path, str) else ():
        if part.casefold() in known:
            return known[part.casefold()]
    return ""


def _segmentation(
    value: Mapping[str, Any], data_type: str, meta: Mapping[str, Any], place: Place
) -> dict[str, Any]:
    given = value.get("segmentation_output")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise place.error(f"broken JSON: {error}", "segmentation_output") from error
    if not isinstance(given, Mapping):
        raise place.error("expected an object with masks", "segmentation_output")
    size = (meta["height"], meta["width"]) if "height" in meta else None
    if data_type != "video":
        mask = _mask(
            given.get("segmentation_rle"), size, given.get("segmentation_polygon"), "image", place
        )
        return {"frames": ["0"], "rle": {"0": mask}}
    masks = given.get("segmentation_rle")
    frames = given.get("frames")
    if not isinstance(masks, Mapping):
        raise place.error("expected {frame: mask}", "segmentation_output.segmentation_rle")
    if not isinstance(frames, list) or not frames:
        raise place.error("expected the list of frame names", "segmentation_output.frames")
    names = [posixpath.basename(str(name)) if "/" in str(name) else str(name) for name in frames]
    if len(set(names)) != len(names):
        names = [str(name) for name in frames]
    polygons = given.get("segmentation_polygon")
    found: dict[str, Any] = {}
    for name, key in zip(names, (str(frame) for frame in frames), strict=True):
        mask = masks.get(key, masks.get(name))
        outline = polygons.get(key) if isinstance(polygons, Mapping) else None
        found[name] = None if mask is None else _mask(mask, size, outline, f"frame {name}", place)
    return {"frames": names, "rle": found}


def _mask(
    value: Any, size: tuple[int, int] | None, polygon: Any, what: str, place: Place
) -> dict[str, Any]:
    if value is None and not polygon:
        raise place.error(
            f"no mask for the {what}", "segmentation_output.segmentation_rle", "add the mask"
        )
    try:
        return mask_forms.normalise(value, size=size, polygon=polygon)
    except ValueError as error:
        raise place.error(f"{what}: {error}", "segmentation_output.segmentation_rle") from error
