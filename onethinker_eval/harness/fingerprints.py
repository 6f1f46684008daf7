"""Fingerprints: what a media file, a set of weights and a set of records consist of.

Media are hashed whole; the digest is remembered under (path, size, modification time), so a file
is read once. Weights are too large for that: small files are hashed whole, large ones by their
size, their first MiB (a safetensors header and more) and 64 blocks spread over the rest, which
tells two training checkpoints of the same shape apart without reading gigabytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError

__all__ = ["MediaDigests", "canonical", "digest", "folder_fingerprint"]

_BLOCK = 1 << 20
_SPREAD = 64
_SAMPLE = 1 << 16
_WHOLE = 64 << 20


def canonical(value: Any) -> bytes:
    """Return JSON bytes that are equal exactly when the values are (keys sorted, no blanks)."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def digest(*values: Any) -> str:
    """Return the SHA-256 of JSON `values` as 64 hex digits.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    state = hashlib.sha256()
    for value in values:
        state.update(canonical(value))
        state.update(b"\n")
    return state.hexdigest()


class MediaDigests:
    """SHA-256 of files, remembered in a JSON-lines file that several processes may append to."""

    def __init__(self, memory: Path | None) -> None:
        """Use `memory` to remember digests; `None`, or a place that is not writable: no memory."""
        self._memory = memory
        self._known: dict[str, tuple[int, int, str]] | None = None
        self._fresh: list[str] = []

    def __call__(self, path: str) -> str:
        """Return the digest of the bytes of `path`; raises `DataError` if it cannot be read."""
        if self._known is None:
            self._known = dict(self._load())
        try:
            status = Path(path).stat()
            known = self._known.get(path)
            if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
                return known[2]
            value = _whole(Path(path))
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror or error}", file=path, fix="restore the file"
            ) from error
        self._known[path] = (status.st_size, status.st_mtime_ns, value)
        self._fresh.append(json.dumps([path, status.st_size, status.st_mtime_ns, value]))
        return value

    def save(self) -> None:
        """Append what was learnt since the last call; an unwritable memory is not an error."""
        lines, self._fresh = self._fresh, []
        if self._memory is None or not lines:
            return
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with self._memory.open("a", encoding="utf-8") as stream:
                stream.write("".join(line + "\n" for line in lines))
        except OSError:
            self._memory = None

    def _load(self) -> Iterable[tuple[str, tuple[int, int, str]]]:
        if self._memory is None or not self._memory.is_file():
            return
        with self._memory.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                try:
                    path, size, changed, value = json.loads(line)
                except ValueError:
                    # A line torn by a kill: the file it spoke of is simply hashed again.
                    continue
                yield path, (size, changed, value)


def folder_fingerprint(folder: Path) -> str:
    """Return a fingerprint of the model files in `folder` (its files only, not deeper ones).

    Temporary and hidden files do not count. Raises `DataError` when a file cannot be read.
    """
    state = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            value = _whole(path) if path.stat().st_size <= _WHOLE else _spread(path)
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror or error}", file=str(path), fix="restore it"
            ) from error
        state.update(f"{path.name}\0{value}\n".encode())
    return state.hexdigest()


def _whole(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


def _spread(path: Path) -> str:
    size = path.stat().st_size
    state = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        state.update(stream.read(_BLOCK))
        for number in range(_SPREAD):
            stream.seek((size - _SAMPLE) * (number + 1) // _SPREAD)
            state.update(stream.read(_SAMPLE))
    return state.hexdigest()
