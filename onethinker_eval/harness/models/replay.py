"""`replay`: score replies that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.files import read_journal
from onethinker_eval.harness.models.record_model import RecordModel
from onethinker_eval.records import Record

__all__ = ["Replay"]

_IDS = ("id", "problem_id", "question_id")
_REPLIES = ("reply", "output", "response", "prediction")


class Replay(RecordModel):
    """Answers with the stored reply of the same id.

    `file` is JSON lines of objects with `id` (or `problem_id`, `question_id`) and `reply` (or
    `output`, `response`, `prediction`), or a folder with one such file per task
    (`<task id>.jsonl`, as in `replies/` of a run). An optional `task` field keeps equal ids of
    several tasks apart. A sample without a stored reply fails; the others go on.
    """

    def __init__(self, file: str = "", path: str = "", **common: Any) -> None:
        """Use `file` (or `path`, the same); raises `UsageError` if it does not exist."""
        super().__init__(**common)
        source = file or path
        if not source:
            raise UsageError("replay needs --model_args file=REPLIES.jsonl")
        self._source = Path(source).expanduser()
        if not self._source.exists():
            raise UsageError(f"the reply file {self._source} does not exist")
        self._loaded: dict[str, dict[tuple[str, str], str]] = {}

    def answer(self, record: Record, task: str) -> str:
        """Return the stored reply; raises `DataError` naming file and id if there is none."""
        folder = self._source.is_dir()
        file = self._source / f"{task}.jsonl" if folder else self._source
        replies = self._loaded.setdefault(str(file), {}) or self._load(file)
        for key in ((task, record.id), ("", record.id)):
            if key in replies:
                return replies[key]
        raise DataError(
            f"there is no reply to sample {record.id} of {task}",
            file=str(file),
            fix="add the line, or leave the sample out with --limit",
        )

    def _load(self, file: Path) -> dict[tuple[str, str], str]:
        found = self._loaded[str(file)]
        for number, (_, line) in enumerate(read_journal(file), start=1):
            reply = _first(line, _REPLIES)
            if reply is None and line.get("status") == "failed":
                continue
            identity = _first(line, _IDS)
            if identity is None or not isinstance(reply, str):
                raise DataError(
                    f"expected one of {', '.join(_IDS)} and a text under one of "
                    f"{', '.join(_REPLIES)}",
                    file=str(file),
                    record=f"line {number}",
                    fix="see `onethinker-eval models`",
                )
            found[str(line.get("task") or ""), str(identity)] = reply
        return found


def _first(line: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((line[name] for name in names if line.get(name) is not None), None)
