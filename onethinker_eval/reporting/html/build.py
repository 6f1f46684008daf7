"""Making a report from run folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.files import write_atomic
from onethinker_eval.reporting.compare import Comparison, compare_runs
from onethinker_eval.reporting.html.media import Media
from onethinker_eval.reporting.html.page import Block, block_of, page
from onethinker_eval.reporting.html.samples import TaskSamples
from onethinker_eval.reporting.html.summary import RunData, describe, read_run_data

__all__ = ["EMBED_BYTES", "MEDIA_MODES", "Report", "build_report"]

MEDIA_MODES = ("auto", "embed", "copy", "link", "none")
EMBED_BYTES = 32 << 20
"""`auto` embeds media up to this many bytes in all, and links them beyond."""

_ROWS_A_BLOCK = 256
_BLOCK_CHARS = 1 << 20

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """A written report: its file, its size in bytes, its samples, and its media.

    `shown` are the media the page may ask a server for, by number; None where there is none.
    """

    path: Path
    bytes: int
    samples: int
    media: str
    shown: tuple[tuple[Path, str] | None, ...]


def build_report(
    runs: Sequence[Path],
    output: Path | None = None,
    *,
    media: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Write the report of one run, or of two side by side.

    Args:
        runs: one or two scored run folders.
        output: the file to write; `report.html` in the first run's folder by default.
        media: `embed` puts images and videos into the file, `copy` beside it, `link` refers to
            where they lie, `none` leaves them out; `auto` embeds up to 32 MB and links beyond.
        progress: called with a task and its number of samples as each is done.

    Raises:
        UsageError: not one or two runs, or an unknown way with media.
        DataError: a run without scores, or a damaged journal.
        RunError: the report cannot be written.
    """
    if len(runs) not in (1, 2):
        raise UsageError(f"a report is of one or two runs, got {len(runs)}")
    if media not in MEDIA_MODES:
        raise unknown_name("way with media", media, MEDIA_MODES)
    target = output or runs[0] / "report.html"
    data = [read_run_data(folder) for folder in runs]
    table = Media()
    blocks, samples, layout = _samples(data, table, progress)
    summary = describe(data, _comparisons(data), samples)
    summary["layout"] = layout
    addresses, way = _media(table, target, media, blocks)
    summary["media"] = [
        [kind, address] for kind, address in zip(table.types, addresses, strict=True)
    ]
    title = " and ".join(dict.fromkeys(run.row.run for run in data)) + " · report"
    text = page(summary, blocks, title=title, linked=way in ("copy", "link")).encode(
        errors="replace"
    )
    write_atomic(target, text)
    shown = tuple(
        None if kind is None else (path, kind)
        for path, kind in zip(table.paths, table.types, strict=True)
    )
    return Report(target, len(text), sum(samples.values()), way, shown)


def _comparisons(data: Sequence[RunData]) -> list[Comparison]:
    if len(data) < 2:
        return []
    protocols = [name for name in data[0].protocols if name in data[1].protocols]
    folders = (data[0].folder, data[1].folder)
    return [compare_runs(*folders, protocol=protocol) for protocol in protocols]


def _samples(
    data: Sequence[RunData], media: Media, progress: Progress | None
) -> tuple[list[Block], dict[str, int], dict[str, list[int]]]:
    """Return the blocks of all tasks, the samples of each, and where each block of rows begins."""
    blocks: list[Block] = []
    counts: dict[str, int] = {}
    layout: dict[str, list[int]] = {}
    folders = [run.folder for run in data]
    protocols = list(dict.fromkeys(name for run in data for name in run.protocols))
    for task in dict.fromkeys(task.id for run in data for task in run.tasks):
        samples = TaskSamples(folders, task, protocols)
        number = len(counts)
        starts: list[int] = []
        rows: list[dict[str, Any]] = []
        size = done = 0
        for row in samples.rows(media):
            rows.append(row)
            size += _size(row)
            if len(rows) >= _ROWS_A_BLOCK or size >= _BLOCK_CHARS:
                blocks.append(block_of(f"rows-{number}-{len(starts)}", rows))
                starts.append(done)
                done += len(rows)
                rows, size = [], 0
        if rows:
            blocks.append(block_of(f"rows-{number}-{len(starts)}", rows))
            starts.append(done)
            done += len(rows)
        # The lists come first: every view of samples needs them, and a row only when opened.
        blocks.insert(number, block_of(f"list-{number}", samples.columns.to_json()))
        counts[task], layout[task] = done, starts
        if progress is not None:
            progress(task, done)
    return blocks, counts, layout


def _size(row: dict[str, Any]) -> int:
    """Return about how many characters a row has; its texts are nearly all of them."""
    texts = [row.get("question", ""), row.get("truth", "")]
    texts += [reply.get("text", "") for reply in row["replies"] if reply]
    return sum(map(len, texts))


def _media(table: Media, target: Path, mode: str, blocks: list[Block]) -> tuple[list[str], str]:
    """Return each medium's address ("" where it is embedded or left out), and the way taken."""
    way = mode
    if mode == "auto":
        way = "embed" if table.bytes <= EMBED_BYTES else "link"
    if way == "link":
        return table.links(target.parent), way
    if way == "copy":
        return table.copied(target.parent, f"{target.stem}_media"), way
    if way == "embed":
        blocks += [Block(f"media-{number}", text) for number, text in table.embedded()]
    else:
        table.types[:] = [None] * len(table.types)
    return [""] * len(table.paths), way
