"""What a run has to answer: the records of each task, or this shard's part of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onethinker_eval import readers
from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError
from onethinker_eval.harness.asking import profile
from onethinker_eval.harness.fingerprints import digest
from onethinker_eval.harness.models import decisive
from onethinker_eval.harness.run_folder import record_digest
from onethinker_eval.harness.settings import Settings, parse_arguments, without_secrets
from onethinker_eval.harness.sharding import media_key, parse_shard, partition
from onethinker_eval.records import Record

__all__ = ["NO_LIMIT", "Work", "identity_of_run", "load_work", "work_of"]

NO_LIMIT = 1 << 53
"""The limit of a run without one: larger than any other, so that a limit may grow to it."""


@dataclass(frozen=True, slots=True)
class Work:
    """One task of the run: its records, and the samples that could not become one.

    `places` are the records' places among the `whole` number there are, of which a shard has a
    part; `data` is the digest of all of them.
    """

    task: Task
    records: tuple[Record, ...]
    unreadable: tuple[DataError, ...]
    generation: dict[str, Any]
    places: Sequence[int]
    whole: int
    data: str


def work_of(task: Task, records: Sequence[Record], settings: Settings) -> Work:
    """Return the work of answering `records`, wherever they come from."""
    generation = {**task.generation, **parse_arguments(settings.gen_kwargs, "--gen_kwargs")}
    return Work(task, tuple(records), (), generation, range(len(records)), len(records), "")


def load_work(task: Task, settings: Settings, data: str | Path) -> Work:
    """Return the records of `task` that `settings` ask for, the shard's part if it has one.

    Raises `DataError` if there is none at all.
    """
    records: list[Record] = []
    unreadable: list[DataError] = []
    items = readers.iterate(task, data)
    for item in itertools.islice(items, settings.limit):
        if isinstance(item, DataError):
            unreadable.append(item)
        else:
            records.append(item)
    if not records:
        if unreadable:
            raise unreadable[0]
        raise DataError(f"{task.name} has no record under {settings.data}")
    whole = len(records)
    content = digest(*(record_digest(record.to_json()) for record in records))
    places: Sequence[int] = range(whole)
    if settings.shard:
        shard = parse_shard(settings.shard)
        owners = partition(task.id, [media_key(record) for record in records], shard.count)
        places = [place for place, owner in enumerate(owners) if owner == shard.number]
        if shard.number != 1:
            unreadable = []  # they have no place among the records; the first shard names them
    if len(places) < whole:
        records = [records[place] for place in places]
    return replace(
        work_of(task, records, settings),
        unreadable=tuple(unreadable),
        places=places,
        whole=whole,
        data=content,
    )


def identity_of_run(settings: Settings, works: Sequence[Work], weights: str) -> dict[str, Any]:
    """Return what decides the replies of a run, for the manifest to compare."""
    tasks = {}
    for work in works:
        info: dict[str, Any] = {
            "benchmark": work.task.benchmark,
            "split": work.task.split,
            "version": work.task.version,
            "records": len(work.records),
            "unreadable": len(work.unreadable),
            "data": work.data,
        }
        if settings.shard:
            info["whole"] = work.whole
        tasks[work.task.id] = {
            "prompts": profile().digest,
            "generation": {key: str(value) for key, value in work.generation.items()},
            "limit": settings.limit if settings.limit is not None else NO_LIMIT,
            "info": info,
        }
    model = {
        "name": settings.model,
        "arguments": decisive(settings.model, without_secrets(settings.model_args)),
        "weights": weights,
    }
    identity: dict[str, Any] = {"model": model, "seed": settings.seed, "tasks": tasks}
    if settings.shard:
        identity["shard"] = settings.shard
    return identity
