"""What is known of each medium of a training or benchmark set, found once and kept.

A medium is opened and decoded (an image whole; a video's first, middle and last frame), measured,
and given a hash of its content and of its looks. The facts are kept in a journal in the cache, by
path, size and time of change, so a second check reads no medium again, and one that was killed
goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.errors import DataError
from onethinker_eval.files import FolderLock, Journal, read_journal
from onethinker_eval.media import images, video
from onethinker_eval.media.prefetch import read_ahead
from onethinker_eval.paths import cache_dir
from onethinker_eval.records import Medium
from onethinker_eval.training.look_alike import grid, is_plain, picture_hash

__all__ = ["MediumFacts", "content_hash", "facts_of", "grids", "inspect", "looks"]

Progress = Callable[[int, int], None]

_VERSION = 1
"""Raise it when the facts of the same file change."""
_WHOLE = 16 << 20
_PART = 1 << 20
_LINES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class MediumFacts:
    """Facts of one medium; only `problem` where it cannot be used.

    `width` and `height` in pixels, upright; `n_frames` and `fps` of a video (0 for an image);
    `content` a hash of the bytes; `looks` one 64-bit hash in hex for each picture looked at, ""
    where it is too plain to compare.
    """

    width: int = 0
    height: int = 0
    n_frames: int = 0
    fps: float = 0.0
    content: str = ""
    looks: tuple[str, ...] = ()
    problem: str = ""


def inspect(
    media: Iterable[Medium],
    *,
    workers: int = 2,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> dict[Medium, MediumFacts]:
    """Return the facts of each medium, from the cache or by decoding it.

    `progress(done, todo)` counts those that are decoded now. Raises `RunError` while another
    process writes the same cache.
    """
    folder = (cache or cache_dir()) / "media-facts"
    path = folder / f"facts-{_VERSION}.jsonl"
    found: dict[Medium, MediumFacts] = {}
    todo: dict[Medium, tuple[int, int]] = {}
    with FolderLock(folder), Journal(path) as journal:
        known = _stored(path)
        for medium in dict.fromkeys(media):
            stamp = _stamp(medium.path)
            if stamp is None:
                found[medium] = MediumFacts(problem=f"the {medium.kind} is missing")
            elif (kept := known.get((medium.kind, medium.path))) and kept[0] == stamp:
                found[medium] = kept[1]
            else:
                todo[medium] = stamp
        lines: list[dict[str, Any]] = []
        reading = read_ahead(todo, facts_of, workers=workers, ahead=2 * workers)
        for done, (medium, made) in enumerate(reading, start=1):
            facts = MediumFacts(problem=made.problem) if isinstance(made, DataError) else made
            found[medium] = facts
            lines.append(_line(medium, todo[medium], facts))
            if len(lines) >= _LINES_AT_ONCE or done == len(todo):
                journal.append(*lines)
                lines = []
            if progress is not None:
                progress(done, len(todo))
    return found


def facts_of(medium: Medium) -> MediumFacts:
    """Open, decode and measure one medium; raises `DataError` where it cannot be used."""
    if medium.kind == "image":
        picture = images.read(medium.path)
        return MediumFacts(
            picture.width,
            picture.height,
            content=content_hash(medium.path),
            looks=looks([picture.pixels]),
        )
    about = video.probe(medium.path)
    shown = video.read_indices(medium.path, _places(about.n_frames))
    return MediumFacts(
        about.width,
        about.height,
        about.n_frames,
        about.fps,
        content=content_hash(medium.path),
        looks=looks(list(shown.frames)),
    )


def grids(medium: Medium) -> list[NDArray[np.uint8]]:
    """Return the `look_alike.grid` of each picture that `looks` has a hash of."""
    if medium.kind == "image":
        return [grid(images.read(medium.path).pixels)]
    about = video.probe(medium.path)
    return [
        grid(frame) for frame in video.read_indices(medium.path, _places(about.n_frames)).frames
    ]


def looks(pictures: Sequence[NDArray[np.uint8]]) -> tuple[str, ...]:
    """Return the hashes of pictures, (H, W, 3) each, as `MediumFacts.looks` has them."""
    cells = [grid(pixels) for pixels in pictures]
    return tuple("" if is_plain(made) else f"{picture_hash(made):016x}" for made in cells)


def _places(n_frames: int) -> list[int]:
    return [0, n_frames // 2, n_frames - 1]


def content_hash(path: str) -> str:
    """Return 32 hex digits of a file's bytes; of its size and three parts above 16 MiB."""
    size = Path(path).stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with Path(path).open("rb") as stream:
        if size <= _WHOLE:
            digest.update(stream.read())
        else:
            for start in (0, (size - _PART) // 2, size - _PART):
                stream.seek(start)
                digest.update(stream.read(_PART))
    return digest.hexdigest()


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        about = os.stat(path)  # noqa: PTH116  # a Path for each of a million files is slow
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def _line(medium: Medium, stamp: tuple[int, int], facts: MediumFacts) -> dict[str, Any]:
    return {"kind": medium.kind, "path": medium.path, "stamp": list(stamp), "facts": asdict(facts)}


def _stored(path: Path) -> dict[tuple[str, str], tuple[tuple[int, int], MediumFacts]]:
    found: dict[tuple[str, str], tuple[tuple[int, int], MediumFacts]] = {}
    for _, line in read_journal(path):
        try:
            values: Mapping[str, Any] = line["facts"]
            facts = MediumFacts(**{**values, "looks": tuple(values["looks"])})
            size, changed = line["stamp"]
            found[line["kind"], line["path"]] = ((size, changed), facts)
        except (KeyError, TypeError, ValueError):
            continue  # a line of another form is found anew
    return found
