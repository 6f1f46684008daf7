"""Merging sorted score lines into one file, and comparing it with the one it replaces.

Score lines start with their sample's id, so the order of the encoded lines is the order by id and
one comparison of bytes decides it. Nothing is held in memory but one line of each file.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

__all__ = ["Changes", "Duplicates", "compare", "merge"]

_AFTER_ID = b'","cluster":'

Duplicates = dict[int, set[str]]
"""Chunk number → samples whose line in that chunk is void, as another chunk has a better one."""


@dataclass(slots=True)
class Changes:
    """How new scores differ from the stored ones, in samples.

    `better` and `worse` count samples by protocol whose accuracy rose or fell.
    """

    stored: bool = False
    unchanged: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    better: Counter[str] = field(default_factory=Counter)
    worse: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """Return one line for people.

        >>> Changes(stored=True, unchanged=3, changed=1, better=Counter(paper=1)).summary()
        '1 of 4 samples changed (paper: 1 better, 0 worse)'
        """
        if not self.stored:
            return f"{self.added} samples scored for the first time"
        parts = []
        total = self.unchanged + self.changed
        if self.changed:
            moved = [
                f"{name}: {self.better[name]} better, {self.worse[name]} worse"
                for name in sorted(self.better.keys() | self.worse.keys())
            ]
            why = f" ({'; '.join(moved)})" if moved else " (details only)"
            parts.append(f"{self.changed} of {total} samples changed{why}")
        parts += [f"{self.added} added"] if self.added else []
        parts += [f"{self.removed} gone"] if self.removed else []
        return ", ".join(parts) or f"{total} samples unchanged"


def _head(line: bytes) -> bytes:
    """Return what comes before the scores: the encoded id with its closing quote."""
    return line[: line.find(_AFTER_ID) + 1]


def _numbered(number: int, path: Path) -> Iterator[tuple[bytes, int]]:
    with path.open("rb") as stream:
        for line in stream:
            yield line, number


def merge(paths: Mapping[int, Path], target: IO[bytes]) -> Duplicates:
    """Write the lines of sorted files in order; return the lines that must go, if any.

    Of two lines of one sample a scored one wins over a failed one, then the later chunk's. With
    duplicates found, what was written is void: score again without them.
    """
    void: Duplicates = {}
    held, held_number, held_head = b"", -1, b""
    streams = [_numbered(number, path) for number, path in sorted(paths.items())]
    for line, number in heapq.merge(*streams):
        head = _head(line)
        if head == held_head:
            first_wins = _is_failed(line) and not _is_failed(held)
            if not first_wins and _is_failed(line) == _is_failed(held):
                first_wins = held_number > number
            loser = number if first_wins else held_number
            void.setdefault(loser, set()).add(orjson.loads(line)["id"])
            if first_wins:
                continue
        elif held:
            target.write(held)
        held, held_number, held_head = line, number, head
    if held:
        target.write(held)
    return void


def _is_failed(line: bytes) -> bool:
    return b'"outcome":"failed"' in line


def compare(new: Path, old: Path) -> Changes:
    """Compare two score files in canonical order, line by line; `old` may be absent."""
    changes = Changes(stored=old.exists())
    with new.open("rb") as fresh:
        if not changes.stored:
            changes.added = sum(1 for _ in fresh)
            return changes
        with old.open("rb") as stored:
            _walk(fresh, stored, changes)
    return changes


def _walk(fresh: IO[bytes], stored: IO[bytes], changes: Changes) -> None:
    line, before = fresh.readline(), stored.readline()
    while line or before:
        if line == before:
            changes.unchanged += 1
            line, before = fresh.readline(), stored.readline()
        elif line and before and _head(line) == _head(before):
            _note(line, before, changes)
            line, before = fresh.readline(), stored.readline()
        elif not before or (line and line < before):
            changes.added += 1
            line = fresh.readline()
        else:
            changes.removed += 1
            before = stored.readline()


def _note(line: bytes, before: bytes, changes: Changes) -> None:
    changes.changed += 1
    now = orjson.loads(line)
    try:
        then: dict[str, Any] = orjson.loads(before)
    except orjson.JSONDecodeError:
        return  # a stored line that cannot be read has no accuracy to compare with
    for protocol, score in now.items():
        known = then.get(protocol)
        if not isinstance(score, dict) or not isinstance(known, dict):
            continue
        difference = score["accuracy"] - known.get("accuracy", score["accuracy"])
        if difference > 0:
            changes.better[protocol] += 1
        elif difference < 0:
            changes.worse[protocol] += 1
