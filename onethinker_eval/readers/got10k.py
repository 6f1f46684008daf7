"""GOT-10k as released: a folder a sequence, JPEG frames at 10 a second and `groundtruth.txt`.

A line of the truth is left, top, width, height in pixels. One frame a second is taken, at most 32,
as in the paper; box k belongs to the k-th of them, counted from 1. `absence.label`, where it is
there, marks frames in which the target is out of sight: they have no box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers.clips import clip_of
from onethinker_eval.readers.fields import Place, number
from onethinker_eval.records import Medium, Record

__all__ = ["read"]

_ASK = (
    "In the first frame the target is in the box {box}. "
    "Give the box of the same target at every second of the video."
)


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield a record for each sequence named in `list.txt`, or each folder without it.

    `options`: `fps` of the frames (10), `seconds` at most (32), `question` with `{box}`.
    """
    listing = path / "list.txt"
    if listing.is_file():
        names = [line.strip() for line in listing.read_text().splitlines() if line.strip()]
    else:
        names = sorted(item.name for item in path.iterdir() if (item / "groundtruth.txt").is_file())
    for name in names:
        place = Place(str(listing), name, root, allow_absolute)
        try:
            folder = Path(place.media(str(path.relative_to(root) / name), "name"))
            yield _record(name, folder, options, place)
        except DataError as error:
            yield error


def _record(name: str, folder: Path, options: Mapping[str, Any], place: Place) -> Record:
    truth = folder / "groundtruth.txt"
    if not truth.is_file():
        raise place.error("no groundtruth.txt in its folder")
    boxes = [_numbers(line, truth, index) for index, line in _lines(truth)]
    frames = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".jpg")
    if len(frames) != len(boxes):
        raise place.error(f"{len(frames)} frames but {len(boxes)} boxes")
    hidden = _labels(folder / "absence.label")
    step = max(1, round(float(options.get("fps", 10))))
    picked = list(range(0, len(frames), step))[: int(options.get("seconds", 32))]
    if len(picked) < 2:
        raise place.error(f"{len(frames)} frames are less than two seconds")
    from onethinker_eval.media import images

    width, height = images.size(str(frames[0]))
    found = {
        str(second): place.box_1000(boxes[index], width, height)
        for second, index in enumerate(picked, start=1)
        if not hidden.get(index) and boxes[index][2] > 0 and boxes[index][3] > 0
    }
    if "1" not in found:
        raise place.error("the first frame has no box")
    question = str(options.get("question", _ASK)).replace("{box}", str(found["1"]))
    return Record(
        id=name,
        problem_type="tracking",
        data_type="video",
        question=question,
        media=(Medium("video", clip_of([frames[index] for index in picked], 1.0)),),
        truth={"boxes": found},
        cluster=name,
        meta={"fps": 1.0, "width": width, "height": height, "duration_s": float(len(picked))},
        origin=place.origin,
    )


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", file=str(path)) from error
    return [(index, line) for index, line in enumerate(lines, start=1) if line.strip()]


def _numbers(line: str, path: Path, index: int) -> list[float]:
    values = [number(part) for part in line.replace("\t", ",").split(",")]
    if len(values) != 4 or None in values:
        raise DataError(f"expected four numbers, found {line!r}", file=str(path), record=index)
    return [value or 0.0 for value in values]


def _labels(path: Path) -> dict[int, bool]:
    if not path.is_file():
        return {}
    return {index - 1: line.strip() not in ("0", "0.0") for index, line in _lines(path)}
