"""The mask journal of a run: `masks/<task>.jsonl`, a line per sample, appended and forced to disk.

A line: `{"key", "id", "status": "ok"|"failed", "masks", "by_protocol", "protocols", "error",
"segmenter", "label", "seconds"}`. `masks` are COCO run lengths: one for an image, `{frame name:
mask}` for a video, None when no protocol read a prompt. `by_protocol` holds those of protocols
whose prompt or way of prompting differs (None again: no prompt); `protocols` are all that the
line stands for. When a sample has several lines, masks win over a failure and the later line over
the earlier. Processes that share a run write a part each, `<task>.rank<k>.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import orjson

from onethinker_eval.errors import RunError
from onethinker_eval.files import Journal, read_journal, write_atomic
from onethinker_eval.rescoring.journals import journal_parts

__all__ = ["MaskJournal", "check_segmenter_of", "masks_for", "segmenters_of", "stored_lines"]


def stored_lines(folder: Path, task: str) -> dict[str, dict[str, Any]]:
    """Return the line that counts for each sample of a task, without its masks."""
    found: dict[str, dict[str, Any]] = {}
    for line in _lines(folder, task):
        sample = str(line.get("id"))
        if line.get("status") != "ok" and found.get(sample, {}).get("status") == "ok":
            continue
        found[sample] = {
            name: value for name, value in line.items() if name not in ("masks", "by_protocol")
        }
    return found


def _lines(folder: Path, task: str) -> Iterator[dict[str, Any]]:
    for path in journal_parts(folder / "masks", task):
        for _, line in read_journal(path):
            yield line


def masks_for(line: Mapping[str, Any], protocol: str) -> Any:
    """Return the masks that a mask line holds for `protocol`; None where it read no prompt."""
    others = line.get("by_protocol") or {}
    return others[protocol] if protocol in others else line.get("masks")


def segmenters_of(folder: Path, field: Literal["label", "segmenter"] = "label") -> dict[str, str]:
    """Return what made the stored masks, by task id: its label, or its identity ("segmenter").

    Tasks without masks are absent.

    >>> segmenters_of(Path("nowhere"))
    {}
    """
    masks = Path(folder) / "masks"
    found: dict[str, str] = {}
    for name in sorted({path.name.split(".")[0] for path in masks.glob("*.jsonl")}):
        for line in _lines(Path(folder), name):
            found[name] = str(line.get(field, "unknown"))
            break
    return found


def check_segmenter_of(
    folder: Path, task: str, lines: Mapping[str, Mapping[str, Any]], identity: str, label: str
) -> None:
    """Raise `RunError` if something else than this segmenter made some of the stored masks."""
    for line in lines.values():
        if line.get("segmenter") != identity:
            raise RunError(
                f"{folder}: the masks of {task} were made by {line.get('label')}, not {label} "
                f"({line.get('segmenter')} then, {identity} now)",
                hint="name the same --segmenter, or make all anew with "
                "`onethinker-eval segment RUN --segmenter … --replace`",
            )


class MaskJournal:
    """The masks of one task, open for appending, with what earlier sessions made.

    `lines` are the stored lines by sample id. Raises `RunError` on opening if another segmenter
    made some of them: numbers of two segmenters are never mixed.
    """

    def __init__(
        self, folder: Path, task: str, identity: str, label: str, *, rank: int = 0, world: int = 1
    ) -> None:
        """Use the masks of `task` in the run `folder`, writing this rank's part."""
        name = f"{task}.jsonl" if world == 1 else f"{task}.rank{rank}.jsonl"
        self._folder, self._task, self._world = folder, task, world
        self._identity, self._label = identity, label
        self._journal = Journal(folder / "masks" / name)
        self._open = False
        self.lines: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> MaskJournal:
        self.lines = stored_lines(self._folder, self._task)
        check_segmenter_of(self._folder, self._task, self.lines, self._identity, self._label)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            self._journal.__exit__(kind, value, trace)
            self._open = False

    def append(self, line: Mapping[str, Any]) -> None:
        """Force a line to disk."""
        if not self._open:
            # Only now: `drop` puts new files in the place of the old ones.
            self._journal.__enter__()
            self._open = True
        self._journal.append({**line, "segmenter": self._identity, "label": self._label})

    def drop(self, samples: set[str]) -> None:
        """Take the lines of `samples` out, file by file, each atomically.

        Another process's later line would else be shadowed or shadow a new one. Raises `RunError`
        where several processes share the run.
        """
        if not samples:
            return
        if self._world > 1:
            raise RunError(
                f"{self._task}: {len(samples)} stored masks belong to other replies or media",
                hint="run `onethinker-eval segment` once in a single process",
            )
        drop_lines(self._folder, self._task, samples)
        for sample in samples:
            self.lines.pop(sample, None)


def drop_lines(folder: Path, task: str, samples: set[str]) -> None:
    """Rewrite the mask files of `task` without the lines of `samples`."""
    for path in journal_parts(folder / "masks", task):
        lines = [line for _, line in read_journal(path)]
        kept = [line for line in lines if str(line.get("id")) not in samples]
        if len(kept) < len(lines):
            write_atomic(path, b"".join(orjson.dumps(line) + b"\n" for line in kept))
