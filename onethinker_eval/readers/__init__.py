"""From data as people have it to `Record`: one reader per form, chosen by the task file.

`load(task, data_root)` tries the task's sources in order and reads the first that is there. A
reader yields a record or a `DataError` per sample: loading stops at the first error, the data
check collects them all.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError, UsageError, unknown_name
from onethinker_eval.records import Record

__all__ = ["READERS", "Found", "data_root", "find", "iterate", "load"]

READERS: Mapping[str, str] = {
    "onethinker_json": "onethinker_eval.readers.onethinker_json",
    "vlmeval_tsv": "onethinker_eval.readers.vlmeval_tsv",
    "hub": "onethinker_eval.readers.hub",
    "video_holmes": "onethinker_eval.readers.video_sets",
    "longvideobench": "onethinker_eval.readers.video_sets",
    "longvideo_reason": "onethinker_eval.readers.video_sets",
    "videommlu": "onethinker_eval.readers.video_sets",
    "charades_sta": "onethinker_eval.readers.temporal",
    "activitynet_captions": "onethinker_eval.readers.temporal",
    "anet_rtl": "onethinker_eval.readers.temporal",
    "refer": "onethinker_eval.readers.refer",
    "got10k": "onethinker_eval.readers.got10k",
    "tubes": "onethinker_eval.readers.tubes",
    "mevis": "onethinker_eval.readers.expressions",
    "reasonvos": "onethinker_eval.readers.expressions",
}
"""Reader name in a task file → the module whose `read` (or `read_<name>`) it is."""

_FOLDERS = ("", "OneThinker-eval", "Evaluation")
Reader = Callable[..., Iterator["Record | DataError"]]


@dataclass(frozen=True, slots=True)
class Found:
    """A source that is there: its options, and the path under the data root (None for the hub)."""

    source: Mapping[str, Any]
    path: Path | None
    root: Path


def data_root(name: str | Path) -> Path:
    """Return the folder behind `--data`: `demo` makes the embedded suite, a path is checked.

    Raises `UsageError` for a folder that does not exist. `hub` has no folder; see `find`.
    """
    if str(name) == "demo":
        from onethinker_eval import demo

        return Path(demo.ensure())
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(
            f"the data folder {folder} does not exist", hint="--data demo needs no download"
        )
    return folder


def find(task: Task, data: str | Path) -> Found:
    """Return the first source of `task` that exists under `data` (`demo`, `hub` or a folder).

    Raises `DataError` that lists the places looked at.
    """
    if str(data) == "hub":
        for source in task.sources:
            if source["reader"] == "hub":
                return Found(source, None, Path.cwd())
        raise DataError(
            f"{task.name} is on no hub in a form this can read",
            fix=f"see `onethinker-eval data where --tasks {task.name}`, then use --data FOLDER",
        )
    root = data_root(data)
    tried = []
    for source in task.sources:
        if source["reader"] == "hub":
            continue
        names = source["path"] if isinstance(source["path"], list) else [source["path"]]
        for folder, name in itertools.product(_FOLDERS, names):
            path = root / folder / name
            if path.exists():
                return Found(source, path, root)
        tried += names
    raise DataError(
        f"{task.name}: none of {', '.join(dict.fromkeys(tried))} is under {root}",
        fix=f"`onethinker-eval data where --tasks {task.name}` says where to get it",
    )


def iterate(
    task: Task, data: str | Path, *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield each record of `task`, or the error that keeps a sample from being one."""
    found = find(task, data)
    reader = _reader(found.source["reader"])
    options = {"problem_type": task.problem_type, "data_type": task.data_type, **found.source}
    where = found.path if found.path is not None else Path(str(found.source.get("id", "")))
    for item in reader(where, found.root, options, allow_absolute=allow_absolute):
        if isinstance(item, DataError) or _wanted(item, task.where):
            yield item


def load(
    task: Task, data: str | Path, limit: int | None = None, *, allow_absolute: bool = False
) -> list[Record]:
    """Return the records of `task` under `data`: `demo`, a folder, or `hub` (downloads).

    `limit` keeps the first so many. Raises the `DataError` of the first sample that cannot be
    read, and one if there are none.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be 1 or more, found {limit}")
    records: list[Record] = []
    for item in itertools.islice(iterate(task, data, allow_absolute=allow_absolute), limit):
        if isinstance(item, DataError):
            raise item
        records.append(item)
    if not records:
        found = find(task, data)
        kept = f" with {dict(task.where)}" if task.where else ""
        raise DataError(
            f"no record of {task.name}{kept}", file=str(found.path or found.source.get("id"))
        )
    return records


def _wanted(record: Record, where: Mapping[str, Any]) -> bool:
    for key, value in where.items():
        have = str(record.meta.get(key, "")).casefold()
        if have not in [str(item).casefold() for item in _listed(value)]:
            return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _reader(name: str) -> Reader:
    if name not in READERS:
        raise unknown_name("reader", name, READERS)
    module = importlib.import_module(READERS[name])
    reader: Reader = getattr(module, f"read_{name}", None) or module.read
    return reader
