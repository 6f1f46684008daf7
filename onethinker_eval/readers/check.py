"""The data check: everything about a benchmark's data that can be verified without a model.

`check(tasks, data)` reads every record, opens and decodes every medium once (images whole; videos
at the start, in the middle and at the end, or whole), and compares counts, spans, boxes, masks,
truths and sizes. Nothing is changed or clipped: a `Finding` says what is wrong and where.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError, OneThinkerError
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.prefetch import read_ahead
from onethinker_eval.paths import cache_dir
from onethinker_eval.readers import Found, find, iterate
from onethinker_eval.readers.fields import read_json
from onethinker_eval.readers.findings import Finding, Video, record_findings, span_findings
from onethinker_eval.records import Medium, Record

__all__ = ["Report", "TaskReport", "check"]

Progress = Callable[[str, int, int], None]
"""Called with the task, the media checked so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What the check found for one task.

    `source` is the file that was read, `reader` how; `expected` is None where it is not known.
    `fingerprint` changes with any record, option or size of a medium.
    """

    task: str
    reader: str = ""
    source: str = ""
    records: int = 0
    expected: int | None = None
    media: int = 0
    findings: tuple[Finding, ...] = ()
    fingerprint: str = ""
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Number of findings that are warnings."""
        return len(self.findings) - self.errors

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        names = ("task", "reader", "source", "records", "expected", "media", "fingerprint")
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        values["seconds"] = round(self.seconds, 3)
        values["errors"], values["warnings"] = self.errors, self.warnings
        values["findings"] = [finding.to_json() for finding in self.findings]
        return values


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found for all tasks; `exit_code` is 0 without errors, else 1."""

    tasks: tuple[TaskReport, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the tasks."""
        return tuple(finding for task in self.tasks for finding in task.findings)

    @property
    def exit_code(self) -> int:
        """Return 1 if anything is an error, else 0."""
        return int(any(task.errors for task in self.tasks))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"ok": not self.exit_code, "tasks": [task.to_json() for task in self.tasks]}


def check(
    tasks: Sequence[Task],
    data: str | Path,
    *,
    decode: str = "sample",
    allow_absolute: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> Report:
    """Check the data of `tasks` under `data`; see `Report`.

    `decode` is "sample" (videos: first, middle and last frame), "full" (every frame) or "none"
    (media need only be there). A medium that several tasks show is decoded once.
    """
    known: dict[Medium, Video | str] = {}
    reports = []
    for task in tasks:
        start = time.perf_counter()
        run = _Run(task, data, decode, allow_absolute, workers, progress, known)
        reports.append(run.report(start))
    return Report(tuple(reports))


@dataclass(slots=True)
class _Run:
    """The check of one task."""

    task: Task
    data: str | Path
    decode: str
    allow_absolute: bool
    workers: int
    progress: Progress | None
    known: dict[Medium, Video | str]
    findings: list[Finding] = field(default_factory=list)

    def report(self, start: float) -> TaskReport:
        try:
            found = find(self.task, self.data)
            records = list(self._records())
        except OneThinkerError as error:
            file = getattr(error, "file", "")
            self._add("source", "error", str(error), file=file)
            seconds = time.perf_counter() - start
            return TaskReport(self.task.name, findings=tuple(self.findings), seconds=seconds)
        expected = _expected(self.task, found)
        self._checksum(found)
        self._count(records, expected)
        self._same(records)
        self._circular(records)
        media = self._media(records)
        for record in records:
            self.findings += record_findings(self.task, record)
            self._shown(record)
        return TaskReport(
            task=self.task.name,
            reader=str(found.source["reader"]),
            source=str(found.path or found.source.get("id", "")),
            records=len(records),
            expected=expected,
            media=media,
            findings=tuple(self.findings),
            fingerprint=_fingerprint(records, found.root),
            seconds=time.perf_counter() - start,
        )

    def _add(
        self, kind: str, severity: Any, message: str, record: str = "", file: str = ""
    ) -> None:
        self.findings.append(Finding(self.task.name, kind, severity, message, record, file))

    def _records(self) -> Iterator[Record]:
        for item in iterate(self.task, self.data, allow_absolute=self.allow_absolute):
            if isinstance(item, DataError):
                name = "" if item.record is None else str(item.record)
                about = f"{item.field}: {item.problem}" if item.field else item.problem
                self._add("record", "error", about, name, item.file)
            else:
                yield item

    def _checksum(self, found: Found) -> None:
        wanted = found.source.get("md5")
        if not wanted or found.path is None or _demo(found.root) is not None:
            return
        digest = hashlib.md5(usedforsecurity=False)
        with found.path.open("rb") as stream:
            while portion := stream.read(1 << 20):
                digest.update(portion)
        if digest.hexdigest() != wanted:
            message = f"MD5 {digest.hexdigest()}, published as {wanted}"
            self._add("checksum", "warning", message, file=str(found.path))

    def _count(self, records: Sequence[Record], expected: int | None) -> None:
        broken = sum(finding.kind == "record" for finding in self.findings)
        if not records:
            self._add("count", "error", "no record")
        elif expected is not None and len(records) + broken != expected:
            self._add("count", "error", f"{len(records) + broken} records, expected {expected}")

    def _same(self, records: Sequence[Record]) -> None:
        """Report ids used twice (readers mark them `#2`) and records that repeat another."""
        ids = {record.id for record in records}
        seen: dict[str, str] = {}
        for record in records:
            name, mark, number = record.id.rpartition("#")
            if mark and number.isdigit() and name in ids:
                self._add("duplicate id", "error", f"the id {name!r} again", name, record.origin)
            about = json.dumps([record.question, record.options, str(record.truth)])
            shown = "|".join(medium.path for medium in record.media)
            key = hashlib.sha256(f"{about}|{shown}".encode()).hexdigest()
            if key in seen:
                message = f"shows and asks the same as {seen[key]}"
                self._add("duplicate", "warning", message, record.id, record.origin)
            seen.setdefault(key, record.id)

    def _circular(self, records: Sequence[Record]) -> None:
        groups: dict[str, list[Record]] = {}
        for record in records:
            if "group" in record.meta:
                groups.setdefault(str(record.meta["group"]), []).append(record)
        for group, members in groups.items():
            wanted, answers = len(members[0].options), {str(item.truth) for item in members}
            if len(members) != wanted or len(answers) != wanted:
                message = f"{len(members)} rotations with {len(answers)} answers, not {wanted}"
                self._add("circular", "error", message, group, members[0].origin)

    def _media(self, records: Sequence[Record]) -> int:
        """Decode each medium that is not known yet; return how many media the task shows."""
        shown = dict.fromkeys(medium for record in records for medium in record.media)
        todo = [medium for medium in shown if medium not in self.known]
        rule = FrameRule.of(self.task.frames) if self.task.frames else FrameRule()

        def look(medium: Medium) -> Video | str:
            return _look(medium, self.decode, rule)

        reading = read_ahead(todo, look, workers=self.workers, ahead=2 * self.workers)
        for done, (medium, result) in enumerate(reading, start=1):
            self.known[medium] = result.problem if isinstance(result, DataError) else result
            if self.progress:
                self.progress(self.task.name, done, len(todo))
        return len(shown)

    def _shown(self, record: Record) -> None:
        """Report what is wrong with a record's media, or between them and its annotation."""
        first: Video | None = None
        for number, medium in enumerate(record.media):
            about = self.known[medium]
            if isinstance(about, str):
                kind = "medium missing" if "missing" in about else "medium"
                self._add(kind, "error", about, record.id, medium.path)
            elif number == 0:
                first = about
        self.findings += span_findings(self.task, record, first)
        if first is None:
            return
        width, height = record.meta.get("width"), record.meta.get("height")
        if width and height and first.width and (width, height) != (first.width, first.height):
            message = f"annotated {width}x{height}, the medium is {first.width}x{first.height}"
            # a box in 0..1000 survives a resize, a mask does not
            severity = "error" if "segmentation" in record.meta else "warning"
            self._add("size", severity, message, record.id, record.media[0].path)
        fps = record.meta.get("fps")
        if fps and first.fps and abs(fps - first.fps) > 0.01 * first.fps:
            message = f"annotated {fps:g} frames a second, the video has {first.fps:g}"
            self._add("size", "warning", message, record.id, record.media[0].path)


def _look(medium: Medium, decode: str, rule: FrameRule) -> Video | str:
    """Return what a medium is; raises `DataError` if it is missing or does not decode."""
    from onethinker_eval.media import frames, images, video

    if decode == "none":
        if not Path(medium.path).is_file():
            raise DataError(f"the {medium.kind} is missing", file=medium.path)
        return Video(0, 0)
    if medium.kind == "image":
        picture = images.read(medium.path)
        frames.image_size(picture.height, picture.width, rule)
        return Video(picture.width, picture.height)
    info = video.probe(medium.path)
    chosen = frames.sample_indices(info.n_frames, info.fps, rule)
    frames.video_size(info.height, info.width, len(chosen), rule)
    if decode == "full":
        for start in range(0, info.n_frames, 64):
            video.read_indices(medium.path, range(start, min(start + 64, info.n_frames)))
    else:
        ends = {0, info.n_frames // 2, info.n_frames - 1}
        video.read_indices(medium.path, sorted(ends))
    return Video(info.width, info.height, info.duration_s, info.fps)


def _demo(root: Path) -> Mapping[str, Any] | None:
    """Return the manifest of a demo suite, if `root` is one."""
    path = root / "manifest.json"
    if not path.is_file():
        return None
    content = read_json(path)
    return content if isinstance(content, Mapping) and content.get("demo") else None


def _expected(task: Task, found: Found) -> int | None:
    """Return how many records there should be: the demo's own count, the source's, the task's."""
    demo = _demo(found.root)
    if demo is None:
        expected = found.source.get("expected", task.expected)
        return int(expected) if expected is not None else None
    if task.where or task.part_of or found.source.get("rows") or found.path is None:
        return None
    counts = demo.get("records")
    name = found.path.relative_to(found.root).as_posix()
    count = counts.get(name) if isinstance(counts, Mapping) else None
    return int(count) if count is not None else None


def _fingerprint(records: Iterable[Record], root: Path) -> str:
    """Return 16 hex digits of the records and the sizes of their media, wherever they lie."""
    digest = hashlib.sha256()
    for record in records:
        value = record.to_json()
        value["media"] = [
            [medium.kind, _relative(medium.path, root), _size(medium.path)]
            for medium in record.media
        ]
        value.pop("origin")
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def _relative(path: str, root: Path) -> str:
    for base in (root, cache_dir()):
        if Path(path).is_relative_to(base):
            return Path(path).relative_to(base).as_posix()
    return Path(path).name


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return -1
