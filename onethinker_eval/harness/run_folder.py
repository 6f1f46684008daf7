"""A run folder: its lock, its manifest, its journals, and the check that all belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import DataError, RunError
from onethinker_eval.files import FolderLock, write_atomic
from onethinker_eval.harness.cost_files import cost_table, read_costs
from onethinker_eval.harness.fingerprints import digest
from onethinker_eval.harness.manifest import Manifest
from onethinker_eval.harness.replies import Reply, TaskJournal, drop_lines
from onethinker_eval.harness.reply_index import ReplyIndex
from onethinker_eval.harness.settings import Settings
from onethinker_eval.records import Record

__all__ = ["RunFolder", "record_digest"]


def record_digest(value: Mapping[str, Any]) -> str:
    """Return the digest of a record's JSON without what may change when the data moves."""
    kept = {key: item for key, item in value.items() if key not in {"origin", "media", "cluster"}}
    return digest(kept, [kind for kind, _ in value["media"]])


UNREADABLE = "unreadable "
"""The ids of samples that never became a record begin so."""


def _unreadable(task: Task, error: DataError) -> dict[str, Any]:
    record = Record(
        id=f"{UNREADABLE}{error.record}",
        problem_type=task.problem_type,
        data_type=task.data_type,
        question="",
        media=(),
        truth=None,
        origin=f"{Path(error.file).name}: record {error.record}",
    )
    return Reply(None, ("record", str(error))).line("", record)


class RunFolder:
    """The folder of one run, held by this process while open.

    With several ranks only the first holds the lock and writes the manifest.
    """

    def __init__(self, settings: Settings, *, rank: int = 0, world: int = 1) -> None:
        """Prepare the folder of `settings` for this rank; nothing is touched before `with`."""
        self.path = settings.folder
        self._settings, self._rank, self._world = settings, rank, world
        self._lock = FolderLock(self.path)
        self._manifest: Manifest | None = None
        self._indexes: dict[str, ReplyIndex] = {}

    def __enter__(self) -> RunFolder:
        if self._rank == 0:
            self._lock.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rank == 0:
            self._lock.__exit__(kind, value, trace)

    def compare(self, identity: Mapping[str, Any]) -> None:
        """Raise `RunError`, with every difference, if the folder holds another run."""
        Manifest(self.path).compare(identity)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Write the manifest of this session."""
        if self._rank == 0:
            self._manifest = Manifest(self.path)
            self._manifest.begin(self._settings, identity)

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Note the session's end in the manifest, with what the run has cost."""
        if self._manifest is not None:
            self._manifest.finish(outcome, cost_table(read_costs(self.path), self._settings.price))

    def write_places(self, task: str, places: Sequence[int], records: Sequence[Record]) -> None:
        """Note which samples of the whole run are this shard's, for `merge` to check."""
        if self._rank == 0:
            names = [record.id for record in records]
            content = orjson.dumps({"places": list(places), "ids": names})
            write_atomic(self.path / "shard" / f"{task}.json", content)

    def journal(self, task: str, *, later: bool = False) -> TaskJournal:
        """Return the reply journal of `task`, to be opened with `with`; see there for `later`."""
        return TaskJournal(
            self.path,
            task,
            rank=self._rank,
            world=self._world,
            index=self.index(task),
            later=later,
        )

    def index(self, task: str) -> ReplyIndex:
        """Return what is known of the replies of `task`; it is the same object at each call."""
        return self._indexes.setdefault(task, ReplyIndex(self.path, task))

    def record_unreadable(self, task: Task, errors: Sequence[DataError]) -> None:
        """Put samples that could not be read from the data into the journal, as failed.

        Re-scoring knows only the journal; without these lines it would forget that they exist.
        Lines of earlier sessions whose sample can be read by now are taken out.
        """
        lines = {line["id"]: line for line in (_unreadable(task, error) for error in errors)}
        index = self.index(task.id)
        index.refresh()
        stored = {name for name in index.failures if name.startswith(UNREADABLE)}
        if stored - set(lines):
            drop_lines(self.path, task.id, stored - set(lines))
            index.forget()
        with self.journal(task.id) as journal:
            journal.append([line for name, line in lines.items() if name not in stored])

    def check(self, task: str, records: Sequence[Record]) -> None:
        """Read the journal of `task`, and raise `RunError` if its records are not today's.

        Replies could stay, but the journal is what re-scoring reads: an old truth must not
        remain in it unnoticed.
        """
        current = {record.id: record for record in records}

        def look(line: Mapping[str, Any]) -> None:
            record = current.get(str(line["id"]))
            if record is not None:
                self._compare(record, line["record"])
            elif not str(line["id"]).startswith(UNREADABLE):
                raise RunError(
                    f"{self.path}: {task} holds sample {line['id']}, which the data have no more",
                    hint="the data changed since; give a new --run name",
                )

        self.index(task).refresh(look)

    def _compare(self, record: Record, then: Mapping[str, Any]) -> None:
        now = record.to_json()
        if record_digest(now) != record_digest(then):
            fields = [key for key in now if now[key] != then.get(key)]
            raise RunError(
                f"{record.origin or record.id}: changed since its reply was stored in "
                f"{self.path} (field {', '.join(fields)})",
                hint="give a new --run name",
            )

    def failures(self, task: str) -> dict[str, tuple[str, str]]:
        """Return kind and message of each sample of `task` without a reply, whoever tried it."""
        index = self.index(task)
        index.refresh()
        return index.failures
