"""Lines of journals found again by sample id, with only their places in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from onethinker_eval.files import read_journal

__all__ = ["StoredLines"]


class StoredLines:
    """The line that counts for each sample of some journals; read when asked for.

    A reply wins over a failure, then the later line. `ids` are in order of first appearance.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Note where the lines lie; raises `DataError` for damage other than a torn last line."""
        self._paths = list(paths)
        self._streams: dict[int, IO[bytes]] = {}
        self._places: dict[str, tuple[int, int]] = {}
        answered: set[str] = set()
        for number, path in enumerate(self._paths):
            for offset, line in read_journal(path):
                name = str(line.get("id"))
                ok = line.get("status", "ok") == "ok"
                if ok or name not in answered:
                    self._places[name] = (number, offset)
                if ok:
                    answered.add(name)

    @property
    def ids(self) -> list[str]:
        """The samples, in order of first appearance."""
        return list(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the line of a sample, or None."""
        place = self._places.get(name)
        if place is None:
            return None
        number, offset = place
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = self._paths[number].open("rb")
        stream.seek(offset)
        value = orjson.loads(stream.readline())
        return value if isinstance(value, dict) else None

    def __enter__(self) -> StoredLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
