"""Images and videos of a report: embedded, copied beside the file, or linked where they lie."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from onethinker_eval.errors import RunError

__all__ = ["Media", "media_type"]

_MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"BM", "image/bmp"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"OggS", "video/ogg"),
)


def media_type(path: Path) -> str | None:
    """Return the type of an image or video by its first bytes; None for any other file.

    A journal is untrusted: what is neither picture nor clip never gets into a report.
    """
    if not path.is_file():  # nor a pipe, which would never end
        return None
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError:
        return None
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    return None


@dataclass
class Media:
    """The table of a report's media; a file used by many samples is one entry.

    `types[i]` is None for a file that is missing or neither image nor video.
    """

    paths: list[Path] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def add(self, path: str) -> int:
        """Return the number of the medium at `path`, new or known."""
        number = self._known.get(path)
        if number is None:
            number = self._known[path] = len(self.paths)
            self.paths.append(Path(path))
            self.types.append(media_type(Path(path)))
        return number

    @property
    def bytes(self) -> int:
        """Size of all files that can be shown."""
        shown = zip(self.paths, self.types, strict=True)
        return sum(path.stat().st_size for path, kind in shown if kind is not None)

    def embedded(self) -> Iterator[tuple[int, str]]:
        """Yield (number, base64) of each medium, one file in memory at a time."""
        for number, path in enumerate(self.paths):
            if self.types[number] is not None:
                yield number, base64.b64encode(path.read_bytes()).decode("ascii")

    def links(self, folder: Path) -> list[str]:
        """Return an address relative to `folder` for each medium; "" for one not shown."""
        return [
            "" if kind is None else _address(path, folder)
            for path, kind in zip(self.paths, self.types, strict=True)
        ]

    def copied(self, folder: Path, name: str) -> list[str]:
        """Copy the media to `folder`/`name` and return their addresses relative to `folder`."""
        target = folder / name
        addresses = []
        try:
            target.mkdir(parents=True, exist_ok=True)
            for number, (path, kind) in enumerate(zip(self.paths, self.types, strict=True)):
                if kind is None:
                    addresses.append("")
                    continue
                copy = target / f"{number}.{kind.split('/')[1]}"
                shutil.copyfile(path, copy)
                addresses.append(_address(copy, folder))
        except OSError as error:
            raise RunError(
                f"cannot copy media to {target}: {error.strerror or error}",
                hint="free some space, or use --media link",
            ) from error
        return addresses


def _address(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix())
