"""Records in the form lmms-eval loads: a JSON-lines file of two text columns.

The record travels as one JSON string, so that column types never depend on what the first rows of
a file happen to hold. The file lies in the cache under a name made from its content.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import orjson

from onethinker_eval.benchmarks import Task, catalogue
from onethinker_eval.errors import RunError, unknown_name
from onethinker_eval.paths import cache_dir
from onethinker_eval.records import Record

__all__ = ["data_file", "default_data", "prepared", "record_of", "task_of", "write_data_file"]

_PREPARED: ContextVar[Mapping[str, Path] | None] = ContextVar("prepared_data", default=None)
_INCLUDE: ContextVar[tuple[str, ...]] = ContextVar("include_path", default=())


def default_data() -> str:
    """Return where data come from when no command line says so: `ONETHINKER_DATA`, or `demo`."""
    return os.environ.get("ONETHINKER_DATA") or "demo"


@contextlib.contextmanager
def prepared(files: Mapping[str, Path], include_path: Sequence[str] = ()) -> Iterator[None]:
    """Serve these files, by task id, while the block runs; and tasks from more folders."""
    tokens = _PREPARED.set(dict(files)), _INCLUDE.set(tuple(include_path))
    try:
        yield
    finally:
        _PREPARED.reset(tokens[0])
        _INCLUDE.reset(tokens[1])


def task_of(task_id: str) -> Task:
    """Return the task of an id; raises `UsageError` with the nearest ids."""
    tasks = catalogue(_INCLUDE.get()).tasks
    if task_id not in tasks:
        raise unknown_name("task", task_id, tasks)
    return tasks[task_id]


def data_file(task_id: str) -> Path:
    """Return the file of `task_id`: the prepared one, or one made from `default_data()`."""
    files = _PREPARED.get()
    if files is not None and task_id in files:
        return files[task_id]
    from onethinker_eval import readers

    task = task_of(task_id)
    return write_data_file(task, readers.load(task, default_data()))


def write_data_file(task: Task, records: Sequence[Record]) -> Path:
    """Write `records` for lmms-eval, unless the same file is there already; return its path."""
    # Twice over the records, one line at a time: all lines may be too many for memory.
    state, size = hashlib.sha256(), 0
    for line in _lines(task, records):
        state.update(line)
        size += len(line)
    folder = cache_dir() / "lmms_eval"
    path = folder / f"{task.id}-{state.hexdigest()[:16]}.jsonl"
    if path.exists() and path.stat().st_size == size:
        return path
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{task.id}-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(_lines(task, records))
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise RunError(
            f"cannot write into {folder}: {error.strerror or error}",
            hint="free some space, or name another folder in ONETHINKER_CACHE",
        ) from error
    return path


def _lines(task: Task, records: Sequence[Record]) -> Iterator[bytes]:
    for record in records:
        row = {
            "id": record.id,
            "task": task.id,
            "record": orjson.dumps(record.to_json()).decode(),
        }
        yield orjson.dumps(row) + b"\n"


def record_of(doc: Mapping[str, Any]) -> Record:
    """Return the record a document of lmms-eval carries."""
    return Record.from_json(orjson.loads(doc["record"]))
