"""A run under way, seen from outside: how many samples are done, and the means so far.

Journals are only ever appended to, so each look reads what came since the last one. What is read
is scored by the functions that score the finished run; nothing is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from onethinker_eval.benchmarks import Catalogue, catalogue
from onethinker_eval.reporting.runs import read_manifest
from onethinker_eval.rescoring.journals import journal_parts
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.sample import score_line
from onethinker_eval.rescoring.tally import Belonging, Tally, tally
from onethinker_eval.scoring.definitions import measure

__all__ = ["Look", "TaskLook", "Watch"]

_LOOK_BYTES = 16 << 20
"""Read of one journal at one look, so that a first look at a long run soon shows something."""


@dataclass(frozen=True, slots=True)
class TaskLook:
    """How far one task is: samples done of `total` (None where the manifest does not say).

    `value` is the running headline metric in percent over the samples done so far, None before
    the first; `failed` counts those of `done` that have no reply, `unparsable` unreadable answers.
    """

    task: str
    benchmark: str
    split: str
    done: int
    total: int | None
    failed: int
    unparsable: int
    metric: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment; `rate` is new samples a second since the watch began, or None.

    `running` tells whether a process holds the run folder. `behind` is true when there was more
    to read than one look takes.
    """

    tasks: tuple[TaskLook, ...]
    running: bool
    rate: float | None
    behind: bool

    @property
    def done(self) -> int:
        """Samples done, over all tasks."""
        return sum(task.done for task in self.tasks)

    @property
    def total(self) -> int | None:
        """All samples there will be, None while a task's number is not known."""
        totals = [task.total for task in self.tasks]
        known = [total for total in totals if total is not None]
        return sum(known) if len(known) == len(totals) else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the rate; None while nothing comes."""
        total = self.total
        return (total - self.done) / self.rate if total is not None and self.rate else None


@dataclass(slots=True)
class _Followed:
    plan: Plan
    headline: str
    offsets: dict[Path, int] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


class Watch:
    """Follows the journals of one run folder; call `look` again and again."""

    def __init__(self, folder: Path, *, protocol: str = "paper") -> None:
        """Follow `folder`; raises `DataError` if it has no manifest."""
        self.folder = folder
        self._protocol = protocol
        self._followed: dict[str, _Followed] = {}
        self._first: tuple[float, int] | None = None
        self._tasks: Catalogue | None = None

    def look(self) -> Look:
        """Read what is new and return the state of the run."""
        manifest = read_manifest(self.folder)
        behind = False
        looks = []
        for name, asked in manifest["identity"]["tasks"].items():
            followed = self._of(name, manifest)
            if followed is None:
                continue
            behind |= self._read(name, followed)
            looks.append(_task_look(followed, asked))
        done = sum(look.done for look in looks)
        now = time.monotonic()
        if self._first is None and not behind:
            self._first = (now, done)
        rate = None
        if self._first is not None and now > self._first[0] and done > self._first[1]:
            rate = (done - self._first[1]) / (now - self._first[0])
        return Look(tuple(looks), _is_held(self.folder), rate, behind)

    def _of(self, name: str, manifest: Mapping[str, Any]) -> _Followed | None:
        if name not in self._followed:
            if self._tasks is None:
                settings = manifest.get("settings") or {}
                own = [path for path in settings.get("include_path") or () if Path(path).is_dir()]
                self._tasks = catalogue(own)
            task = self._tasks.tasks.get(name)
            if task is None:
                return None
            plan = Plan.of(task, [self._protocol])
            self._followed[name] = _Followed(plan, str(task.headline.get(self._protocol, "")))
        return self._followed[name]

    def _read(self, name: str, followed: _Followed) -> bool:
        """Take in what the journals of a task have gained; return whether some is left."""
        left = False
        for path in journal_parts(self.folder / "replies", name):
            lines, end, more = _new_lines(path, followed.offsets.get(path, 0))
            followed.offsets[path] = end
            left |= more
            _count(lines, followed, self._protocol)
        return left


def _new_lines(path: Path, start: int) -> tuple[list[dict[str, Any]], int, bool]:
    """Return whole lines from byte `start` on, where they end, and whether more is there."""
    with path.open("rb") as stream:
        stream.seek(start)
        content = stream.read(_LOOK_BYTES)
        end = content.rfind(b"\n") + 1
        while not end and len(content) >= _LOOK_BYTES:
            more = stream.read(_LOOK_BYTES)
            if not more:
                break
            content += more
            end = content.rfind(b"\n") + 1
        size = os.fstat(stream.fileno()).st_size
    lines = [orjson.loads(line) for line in content[:end].splitlines() if line.strip()]
    return lines, start + end, size > start + len(content)


def _count(lines: Sequence[Mapping[str, Any]], followed: _Followed, protocol: str) -> None:
    scores, places = [], []
    for line in lines:
        name = line["id"]
        if line["status"] != "ok":
            followed.failed.add(name)
            continue
        if name in followed.answered:
            continue  # a later reply to the same sample: the final score takes it, a look does not
        followed.answered.add(name)
        found = score_line(line, followed.plan)
        record = line["record"]
        meta = record["meta"] or {}
        category = meta.get(followed.plan.breakdown) if followed.plan.breakdown else None
        scores.append(found[protocol])
        group = meta.get("group")
        places.append(
            Belonging(
                record["cluster"] or name,
                "" if group is None else str(group),
                "" if category is None else str(category),
            )
        )
    if scores:
        followed.tally.merge(tally(scores, places, followed.plan))


def _task_look(followed: _Followed, asked: Mapping[str, Any]) -> TaskLook:
    plan, totals = followed.plan, followed.tally.totals
    info = asked.get("info") or {}
    total, limit = info.get("records"), asked.get("limit")
    if isinstance(total, int) and isinstance(limit, int):
        total = min(total, limit)
    metrics = {metric.name: metric for metric in plan.metrics(plan.protocols[0], totals.sums)}
    wanted = [metrics.get(followed.headline), *metrics.values()]
    name, value = followed.headline, None
    for metric in wanted:
        if metric is not None and (found := measure(metric, totals)) is not None:
            name, value = metric.name, found
            break
    failed = len(followed.failed - followed.answered)
    return TaskLook(
        plan.task,
        plan.benchmark,
        plan.split,
        len(followed.answered) + failed,
        total if isinstance(total, int) else None,
        failed,
        int(totals["unparsable"]),
        name,
        value,
    )


def _is_held(folder: Path) -> bool:
    """Return whether a process holds the run folder; the lock is not kept."""
    import fcntl

    try:
        with (folder / ".lock").open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
