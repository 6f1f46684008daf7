"""The reply journal of a run: `replies/<task>.jsonl`, one line per finished or failed sample.

A line is written when its sample is finished and never changed. When a sample has several lines
(it failed and was tried again), a reply wins over a failure, and the later line over the earlier.
Processes that share a run write a part each (`<task>.rank<k>.jsonl`); readers merge the parts.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from onethinker_eval.errors import RunError
from onethinker_eval.files import Journal, read_journal, write_atomic
from onethinker_eval.harness import costs
from onethinker_eval.harness.reply_index import ReplyIndex, parts, winning_places
from onethinker_eval.records import Record

__all__ = ["Reply", "TaskJournal", "drop_lines", "merged_lines"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one sample: a reply, or the kind and the one-line message of a failure.

    `seconds` is the sample's share of the time its batch took; token counts are `None` where
    the model does not report them.
    """

    text: str | None
    failure: tuple[str, str] | None = None
    seconds: float = 0.0
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a reply."""
        return self.failure is None

    def line(self, key: str, record: Record) -> dict[str, Any]:
        """Return the journal line of this outcome for `record` under the sample `key`."""
        error = None
        if self.failure is not None:
            error = {"kind": self.failure[0], "message": self.failure[1]}
        return {
            "key": key,
            "id": record.id,
            "status": "ok" if self.ok else "failed",
            "reply": self.text if self.ok else None,
            "error": error,
            "record": record.to_json(),
            "seconds": round(self.seconds, 4),
            "tokens": {"in": self.tokens_in, "out": self.tokens_out},
        }


def merged_lines(folder: Path, task: str) -> Iterator[dict[str, Any]]:
    """Yield the line that counts for each sample of `task`, in order of first appearance.

    Only the places of lines are held in memory. Raises `DataError` naming file and line for
    damage other than a torn last line.
    """
    places = list(winning_places(folder, task))
    with contextlib.ExitStack() as stack:
        streams: dict[Path, IO[bytes]] = {}
        for _, path, offset in places:
            if path not in streams:
                streams[path] = stack.enter_context(path.open("rb"))
            stream = streams[path]
            stream.seek(offset)
            yield orjson.loads(stream.readline())


def drop_lines(folder: Path, task: str, ids: set[str]) -> None:
    """Take the lines of samples `ids` out of the journal of `task`, each file atomically."""
    for path in parts(folder, task):
        lines = [line for _, line in read_journal(path)]
        kept = [line for line in lines if line.get("id") not in ids]
        if len(kept) < len(lines):
            write_atomic(path, b"".join(orjson.dumps(line) + b"\n" for line in kept))


class TaskJournal:
    """The journal of one task, open for appending, with what earlier sessions finished.

    `finished` and `failed` are for the question whether a sample id is in them; a sample that
    failed may have been answered since, and is then in the first alone.
    """

    def __init__(
        self,
        folder: Path,
        task: str,
        *,
        rank: int = 0,
        world: int = 1,
        index: ReplyIndex | None = None,
        later: bool = False,
    ) -> None:
        """Use the journal of `task` in the run `folder`, writing this rank's part.

        `index` is what is known of the journal already; it is kept up to date. A file that is
        not there is made with the first line if `later`, else at once.
        """
        name = f"{task}.jsonl" if world == 1 else f"{task}.rank{rank}.jsonl"
        self.task = task
        self._journal = Journal(folder / "replies" / name)
        self._index = index or ReplyIndex(folder, task)
        self._later = later

    @property
    def finished(self) -> Container[str]:
        """The samples that have a reply."""
        return self._index

    @property
    def failed(self) -> Container[str]:
        """The samples that have a failure and no reply."""
        return self._index.failures

    def __enter__(self) -> TaskJournal:
        # Opening cuts a torn last line off, with a warning; reading then finds whole lines, but
        # for the parts of ranks that are writing at this moment: theirs is no business of ours.
        self._later = self._later and not self._journal.path.exists()
        if not self._later:
            self._journal.__enter__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._index.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.__exit__(kind, value, trace)

    def verify(self, record: Record, key: str | None) -> None:
        """Check the sample key of a finished `record`.

        `None` for a key that cannot be made any more (a medium has gone): the reply stands.
        Raises `RunError` for another key.
        """
        if key is not None and not self._index.same_key(record.id, key):
            raise RunError(
                f"{record.origin or record.id}: the stored reply was made from another question, "
                "medium or generation setting",
                hint="the data changed since; give a new --run name",
            )

    def append(self, lines: list[dict[str, Any]]) -> None:
        """Force `lines` to disk together; raises `RunError` when that fails."""
        if not lines:
            return
        if self._later:
            self._journal.__enter__()
            self._later = False
        self._journal.append(*lines)
        path = self._journal.path
        self._index.add(path, lines, path.stat().st_size)
        costs.count_lines(self.task, lines)
