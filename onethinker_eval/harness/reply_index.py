"""What a task's reply journal holds, without its replies: one pass, 17 bytes and the id a sample.

A journal of a hundred thousand replies with their thinking is hundreds of megabytes. What a run
needs of it is which samples are finished and by which key, which failed and why. Lines appended
later, by this process or another, are read from where the last pass ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.files import read_journal

__all__ = ["ReplyIndex", "identity_of", "parts", "winning_places"]

_KEY = 16
_UNKNOWN, _FAILED, _FINISHED = 0, 1, 2
Look = Callable[[Mapping[str, Any]], None]


def parts(folder: Path, task: str) -> list[Path]:
    """Return the journal files of `task` in the run `folder` that exist, main file first."""
    replies = folder / "replies"
    main = replies / f"{task}.jsonl"
    found = [main] if main.exists() else []
    return found + sorted(replies.glob(f"{task}.rank*.jsonl"))


def identity_of(line: Mapping[str, Any], path: Path) -> str:
    """Return the sample id of a journal line; raises `DataError` if it is no such line."""
    for field in ("id", "key", "status", "reply", "record"):
        if field not in line:
            raise DataError(
                "the field is missing",
                file=str(path),
                record=line.get("id"),
                field=field,
                fix="this is not a reply journal, or it was changed by hand",
            )
    return str(line["id"])


def winning_places(folder: Path, task: str) -> Iterator[tuple[str, Path, int]]:
    """Yield id, file and offset of the line that counts for each sample, by first appearance.

    A reply wins over a failure, and the later line over the earlier. Raises `DataError` naming
    file and line for damage other than a torn last line.
    """
    files = parts(folder, task)
    best: dict[str, tuple[int, int, bool]] = {}
    for number, path in enumerate(files):
        for offset, line in read_journal(path):
            name, ok = identity_of(line, path), line["status"] == "ok"
            known = best.get(name)
            if known is None or ok or not known[2]:
                best[name] = (number, offset, ok)
    for name, (number, offset, _) in best.items():
        yield name, files[number], offset


class ReplyIndex:
    """Which samples of a task are finished or failed, kept up to date as lines are added."""

    def __init__(self, folder: Path, task: str) -> None:
        """Know nothing yet of the journals of `task` in the run `folder`; see `refresh`."""
        self._folder, self._task = folder, task
        self.forget()

    def forget(self) -> None:
        """Know nothing any more, as when the files were rewritten."""
        self._read: dict[Path, int] = {}
        self._numbers: dict[str, int] = {}
        self._states = bytearray()
        self._keys = bytearray()
        self.failures: dict[str, tuple[str, str]] = {}
        """Kind and message of each sample that failed and was not answered since."""

    def refresh(self, look: Look | None = None) -> None:
        """Read what the journals hold beyond the last call; `look` is shown every line.

        Raises `DataError` naming file and line for damage other than a torn last line, and what
        `look` raises.
        """
        for path in parts(self._folder, self._task):
            start = self._read.get(path, 0)
            if path.stat().st_size <= start:
                continue
            last = None
            for offset, line in read_journal(path, start=start):
                last, name = offset, identity_of(line, path)
                if look is not None:
                    look(line)
                self._note(name, line)
            if last is not None:
                self._read[path] = _line_end(path, last)

    def add(self, path: Path, lines: list[dict[str, Any]], end: int) -> None:
        """Note `lines` that were just appended to `path`, which is `end` bytes long since."""
        for line in lines:
            self._note(str(line["id"]), line)
        self._read[path] = end

    def _note(self, name: str, line: Mapping[str, Any]) -> None:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._states):
            self._states.append(_UNKNOWN)
            self._keys += bytes(_KEY)
        if line["status"] == "ok":
            self._states[number] = _FINISHED
            self._keys[number * _KEY : (number + 1) * _KEY] = _short(line["key"])
            self.failures.pop(name, None)
        elif self._states[number] != _FINISHED:
            self._states[number] = _FAILED
            error = line.get("error") or {}
            self.failures[name] = (str(error.get("kind")), str(error.get("message")))

    def __contains__(self, name: object) -> bool:
        """Whether the sample is finished."""
        number = self._numbers.get(str(name))
        return number is not None and self._states[number] == _FINISHED

    def same_key(self, name: str, key: str) -> bool:
        """Whether the reply of a finished sample was made by `key`."""
        number = self._numbers[name]
        return self._keys[number * _KEY : (number + 1) * _KEY] == _short(key)

    @property
    def names(self) -> Iterator[str]:
        """The ids of all samples that have a line."""
        return iter(self._numbers)

    @property
    def finished(self) -> int:
        """How many samples are finished."""
        return self._states.count(_FINISHED)


def _line_end(path: Path, start: int) -> int:
    with path.open("rb") as stream:
        stream.seek(start)
        return start + len(stream.readline())


def _short(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_KEY).digest()
