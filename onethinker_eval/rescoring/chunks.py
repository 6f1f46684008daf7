"""Scoring a stretch of a reply journal: bytes in, one sorted file of score lines and a tally out.

A journal is cut at line ends into chunks of a few megabytes, so memory does not grow with it and
any number of processes can share the work. What a chunk yields depends on its lines alone.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from onethinker_eval.errors import DataError
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.sample import score_line
from onethinker_eval.rescoring.tally import Belonging, Tally, tally
from onethinker_eval.scoring.result import PROTOCOLS, Score

if TYPE_CHECKING:
    from onethinker_eval.judging.cases import Asking
    from onethinker_eval.judging.journal import Judge

__all__ = [
    "CHUNK_BYTES",
    "Chunk",
    "ChunkResult",
    "Job",
    "byte_ranges",
    "mask_line",
    "run_job",
    "with_types",
]

Entry = tuple[bytes, dict[str, Score], Belonging]
"""A sample's encoded score line, its scores by protocol, and where it belongs."""

CHUNK_BYTES = 8 << 20
_MOST_CHUNKS = 256
"""More chunks than this would be too many files to merge; larger journals get larger chunks."""

_KEYS: dict[str, bytes] = {protocol: f',"{protocol}":'.encode() for protocol in PROTOCOLS}
_FIX = "this is not a reply journal, or it was changed by hand"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `start` to `end` of a journal, whole lines; `last` if the file ends there."""

    number: int
    path: str
    start: int
    end: int
    last: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A chunk to score, where to put its lines, and the samples whose line there is void.

    `judged` is the journal of what the plan's judge said, if it has one.
    """

    chunk: Chunk
    plan: Plan
    target: str
    masks: tuple[str, ...] = ()
    void: frozenset[str] = frozenset()
    judged: str = ""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The number of a chunk, how many samples it scored, and their tally by protocol."""

    number: int
    samples: int
    tallies: Mapping[str, Tally]


def byte_ranges(paths: Iterable[Path | str], chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """Cut journals at line ends into chunks of about `chunk_bytes`, numbered in order."""
    sources = [Path(path) for path in paths]
    whole = sum(path.stat().st_size for path in sources)
    step = max(1, chunk_bytes, whole // _MOST_CHUNKS)
    chunks: list[Chunk] = []
    for path in sources:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = 0
            while start < size:
                stream.seek(min(size, start + step))
                stream.readline()
                end = stream.tell()
                chunks.append(Chunk(len(chunks), str(path), start, end, end >= size))
                start = end
    return chunks


def run_job(job: Job) -> ChunkResult:
    """Score a chunk, write its score lines sorted to `job.target`, and return its tally.

    Raises `DataError` naming file and line for a line that is damaged or of another file.
    """
    with _uncollected():
        lines = _score_lines(job)
        Path(job.target).write_bytes(b"".join(sorted(entry[0] for entry in lines)))
        return ChunkResult(job.chunk.number, len(lines), _tallies(lines, job.plan))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the cycle collector back: a chunk makes many objects and no cycles among them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _score_lines(job: Job) -> list[Entry]:
    lines: dict[str, Entry] = {}
    for position, line in _journal_lines(job.chunk):
        try:
            sample = line["id"]
            if sample in job.void:
                continue
            known = lines.get(sample)
            if known is not None and line["status"] != "ok" and not _failed(known[1]):
                continue
            lines[sample] = _score(line, job)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"unexpected content ({type(error).__name__}: {error})",
                file=job.chunk.path,
                record=_line_number(job.chunk.path, position),
                fix=_FIX,
            ) from error
    return list(lines.values())


def _failed(scores: Mapping[str, Score]) -> bool:
    return any(score.outcome == "failed" for score in scores.values())


def _journal_lines(chunk: Chunk) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (byte position, object) of each line; drop a torn last line with a warning."""
    with Path(chunk.path).open("rb") as stream:
        stream.seek(chunk.start)
        lines = stream.read(chunk.end - chunk.start).split(b"\n")
    torn = chunk.last and bool(lines[-1])
    if not lines[-1]:
        del lines[-1]
    position, final = chunk.start, len(lines) - 1
    for number, line in enumerate(lines):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if not (chunk.last and number == final):
                raise DataError(
                    f"broken JSON ({error})",
                    file=chunk.path,
                    record=_line_number(chunk.path, position),
                    fix="the file was changed by hand or the disk is damaged; remove the line",
                ) from error
            torn = True
        if torn and number == final:
            warnings.warn(
                f"{chunk.path}: the last line was cut off by an interruption; left out",
                stacklevel=2,
            )
            return
        yield position, value
        position += len(line) + 1


def with_types(plan: Plan, chunks: Sequence[Chunk]) -> Plan:
    """Return `plan` with the problem and data type of the first record, if it names none.

    Task files from elsewhere need not say which metrics they want.
    """
    if plan.problem_type or not chunks:
        return plan
    for _, line in _journal_lines(chunks[0]):
        record = line.get("record") or {}
        return replace(
            plan,
            problem_type=str(record.get("problem_type", "")),
            data_type=str(record.get("data_type", "")),
        )
    return plan


def _line_number(path: str, position: int) -> str:
    """Return "line N" of a byte position; only wanted for a message, so the file is read again."""
    number, left = 1, position
    with Path(path).open("rb") as stream:
        while left > 0:
            part = stream.read(min(left, 1 << 20))
            if not part:
                break
            number += part.count(b"\n")
            left -= len(part)
    return f"line {number}"


def _score(line: Mapping[str, Any], job: Job) -> Entry:
    record = line["record"]
    masks = mask_line(line["id"], job.masks) if job.masks else None
    asking = _asking(job.judged, job.plan.judge) if job.judged and job.plan.judge else None
    scores = score_line(line, job.plan, masks, asking)
    meta = record["meta"]
    group, category = meta.get("group"), meta.get(job.plan.breakdown)
    belonging = Belonging(
        record["cluster"] or line["id"],
        "" if group is None else str(group),
        "" if category is None else str(category),
    )
    head = {"id": line["id"], "cluster": belonging.cluster}
    if belonging.group:
        head["group"] = belonging.group
    parts = [orjson.dumps(head)[:-1]]
    known: Score | None = None
    encoded = b""
    for protocol, score in scores.items():
        # Protocols share most scores; each is encoded once.
        if score is not known:
            known, encoded = score, orjson.dumps(score.to_json())
        parts += (_KEYS[protocol], encoded)
    parts.append(b"}\n")
    return b"".join(parts), scores, belonging


def _tallies(entries: list[Entry], plan: Plan) -> dict[str, Tally]:
    """Tally by protocol; samples whose score all protocols share are added up once."""
    shared: list[Entry] = []
    single: list[Entry] = []
    for entry in entries:
        first, *others = entry[1].values()
        (single if any(other is not first for other in others) else shared).append(entry)
    common = [next(iter(entry[1].values())) for entry in shared]
    base = tally(common, [entry[2] for entry in shared], plan)
    belongings = [entry[2] for entry in single]
    found: dict[str, Tally] = {}
    for protocol in plan.protocols:
        found[protocol] = tally([entry[1][protocol] for entry in single], belongings, plan)
        found[protocol].merge(base)
    return found


def _asking(path: str, judge: Judge) -> Asking:
    size = Path(path).stat().st_size if Path(path).exists() else 0
    return _stored_asking(path, size, judge)


@lru_cache(maxsize=2)
def _stored_asking(path: str, _size: int, judge: Judge) -> Asking:
    from onethinker_eval.judging.asking import StoredAsking
    from onethinker_eval.judging.journal import stored_replies

    return StoredAsking(judge, stored_replies(Path(path)))


@lru_cache(maxsize=4)
def _mask_index(paths: tuple[str, ...], _sizes: tuple[int, ...]) -> dict[str, tuple[str, int]]:
    """Return where the line that counts for each sample lies in the mask journals."""
    from onethinker_eval.files import read_journal

    index: dict[str, tuple[str, int]] = {}
    good: set[str] = set()
    for path in paths:
        for offset, line in read_journal(path):
            sample = str(line.get("id"))
            if line.get("status", "ok") == "ok":
                good.add(sample)
            elif sample in good:
                continue  # masks that were made win over a failure, whichever part has it
            index[sample] = (path, offset)
    return index


def mask_line(sample: str, paths: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the line that counts for a sample in mask journals; None if there is none."""
    place = _mask_index(paths, tuple(Path(path).stat().st_size for path in paths)).get(sample)
    if place is None:
        return None
    with Path(place[0]).open("rb") as stream:
        stream.seek(place[1])
        value = orjson.loads(stream.readline())
    return value if isinstance(value, dict) else None
