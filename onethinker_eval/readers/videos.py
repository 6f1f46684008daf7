"""Finding the file of a video by its name, among the folders a data set is unpacked into."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker_eval.readers.fields import Place

__all__ = ["VideoFinder", "folders_of"]

_ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".MP4", ".mov")
_KNOWN = tuple(ending.lower() for ending in _ENDINGS)


def folders_of(value: Any) -> list[str]:
    """Return the folders of a source option: one name or a list of names."""
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]


class VideoFinder:
    """Looks names up under `folders` of the data root, in sub-folders too if need be."""

    def __init__(self, root: Path, folders: Sequence[str]) -> None:
        """Remember the folders; those that exist are searched."""
        self._root = root
        self._all = [root / folder for folder in folders]
        self._folders = [folder for folder in self._all if folder.is_dir()]

    def path(self, name: Any, place: Place, field: str = "video") -> str:
        """Return the absolute path of the video `name` (with or without its ending).

        A video that is nowhere gets the path where it was expected: a missing file is the
        sample's failure, not the data set's. Raises `DataError` for a name that leaves the root.
        """
        place.media(name, field)  # refuses names that climb out of the folder
        text = str(name).removeprefix("./")
        ending = Path(text).suffix.lower()
        names = [text] if ending in _KNOWN else [text + each for each in _ENDINGS]
        for folder in self._folders:
            for candidate in names:
                if (folder / candidate).is_file():
                    return str(folder / candidate)
        for candidate in names:
            deep = self._deep.get(Path(candidate).name)
            if deep is not None:
                return deep
        first = (self._folders or self._all)[0]
        return str(first / names[0])

    @functools.cached_property
    def _deep(self) -> dict[str, str]:
        """Index of all videos below the folders by file name, made on the first miss."""
        found: dict[str, str] = {}
        for folder in self._folders:
            for file in sorted(folder.rglob("*")):
                if file.suffix.lower() in _KNOWN:
                    found.setdefault(file.name, str(file))
        return found

    def cluster(self, path: str) -> str:
        """Return the path without the data root: the name of the video for statistics."""
        return path.removeprefix(str(self._root).rstrip("/") + "/")
