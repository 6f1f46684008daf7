"""MMT-Bench by sub-task: the view behind the paper's figure 5 on tasks nobody trained for.

The paper names point tracking, image quality, GUI and rotated detection among 162 tasks and prints
no numbers. Rows are the sub-tasks (`category`) in their groups (`l2-category`), whose value is the
mean over their sub-tasks, as in VLMEvalKit's report; the sub-tasks of the figure come first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.reporting.rendering import latex_table, markdown_table
from onethinker_eval.reporting.sections import Section
from onethinker_eval.rescoring.rows import MetricRow

__all__ = ["BENCHMARK", "SUBTASK_FORMATS", "Subtask", "SubtaskTable", "read_subtasks", "zero_shot"]

BENCHMARK = "mmt_bench"
_TASK = "onethinker_mmt_bench"
_HEAD, _TAIL = "accuracy [", "]"
_JUDGED = "] (judged)"

_FIGURE = (
    ("point tracking", ("point_tracking",)),
    ("image quality", ("image_quality",)),
    ("GUI", ("gui",)),
    ("rotated detection", ("rotated",)),
)
"""The unseen tasks the paper names, and how the names of their sub-tasks or groups begin."""


@dataclass(frozen=True, slots=True)
class Subtask:
    """The accuracy of one sub-task in percent, by rule and, where asked, by a judge."""

    name: str
    group: str
    row: MetricRow
    judged: MetricRow | None = None

    @property
    def figure(self) -> str:
        """The name the paper's figure 5 gives this kind of task, "" for the others."""
        return zero_shot(self.name, self.group)


@dataclass(frozen=True, slots=True)
class SubtaskTable:
    """The sub-tasks of one run under one protocol; `demo` tells made-up data from real ones."""

    model: str
    protocol: str
    demo: bool
    subtasks: tuple[Subtask, ...]

    def groups(self) -> dict[str, float]:
        """Return the mean over the sub-tasks of each group, in percent."""
        values: dict[str, list[float]] = {}
        for item in self.subtasks:
            values.setdefault(item.group, []).append(item.row.value)
        return {name: sum(found) / len(found) for name, found in sorted(values.items()) if name}


def zero_shot(name: str, group: str = "") -> str:
    """Return which unseen task of figure 5 a sub-task of a group belongs to, "" for none.

    >>> zero_shot("point_tracking"), zero_shot("web_shopping", "gui_navigation"), zero_shot("ocr")
    ('point tracking', 'GUI', '')
    """
    for text in (name, group):
        folded = text.casefold().replace("-", "_").replace(" ", "_")
        for title, starts in _FIGURE:
            if folded.startswith(starts):
                return title
    return ""


def read_subtasks(folder: Path, *, protocol: str = "paper") -> SubtaskTable:
    """Return the sub-tasks of a run folder that holds MMT-Bench.

    Raises `UsageError` if it holds none, `DataError` if its metrics are missing.
    """
    from onethinker_eval.reporting.runs import model_of, read_manifest
    from onethinker_eval.rescoring.rows import read_metrics

    path = folder / "metrics.csv"
    if not path.is_file():
        raise DataError("not found", file=str(path), fix=f"onethinker-eval score {folder}")
    manifest = read_manifest(folder)
    rows = [
        row for row in read_metrics(path) if row.benchmark == BENCHMARK and row.protocol == protocol
    ]
    found = _subtasks(rows, _groups(folder))
    if not found:
        raise UsageError(
            f"{folder} holds no {BENCHMARK} by sub-task under {protocol!r}",
            hint="evaluate --tasks mmt_bench first",
        )
    return SubtaskTable(model_of(manifest), protocol, bool(manifest.get("demo")), found)


def _subtasks(rows: Iterable[MetricRow], groups: Mapping[str, str]) -> tuple[Subtask, ...]:
    plain, judged = {}, {}
    for row in rows:
        if row.metric.startswith(_HEAD) and row.metric.endswith(_TAIL):
            plain[row.metric[len(_HEAD) : -len(_TAIL)]] = row
        elif row.metric.startswith(_HEAD) and row.metric.endswith(_JUDGED):
            judged[row.metric[len(_HEAD) : -len(_JUDGED)]] = row
    found = [
        Subtask(name, groups.get(name, ""), row, judged.get(name)) for name, row in plain.items()
    ]
    titles = [title for title, _ in _FIGURE]

    def place(item: Subtask) -> tuple[int, str, str]:
        rank = titles.index(item.figure) if item.figure else len(titles)
        return rank, item.group, item.name

    return tuple(sorted(found, key=place))


def _groups(folder: Path) -> dict[str, str]:
    """Return the group of each sub-task, from the stored records."""
    from onethinker_eval.files import read_journal
    from onethinker_eval.rescoring.journals import journal_parts

    groups: dict[str, str] = {}
    for path in journal_parts(folder / "replies", _TASK):
        for _, line in read_journal(path):
            meta = line["record"]["meta"]
            if "category" in meta and "l2_category" in meta:
                groups[str(meta["category"])] = str(meta["l2_category"])
    return groups


def _sections(tables: Sequence[SubtaskTable]) -> list[Section]:
    found = []
    for table in tables:
        name = f"{table.model} (demo data)" if table.demo else table.model
        judged = any(item.judged for item in table.subtasks)
        headings = ["sub-task", "group", "figure 5", "accuracy", "95 % interval", "n"]
        headings += ["judged"] if judged else []
        rows = [_cells(item, judged=judged) for item in table.subtasks]
        title = f"MMT-Bench by sub-task: {name}, protocol {table.protocol}"
        rule = sum(bool(item.figure) for item in table.subtasks)
        found.append(Section(title, tuple(headings), tuple(rows), rule))
        means = tuple((group, f"{value:.1f}") for group, value in table.groups().items())
        if means:
            heading = f"Means over the sub-tasks of a group: {name}"
            found.append(Section(heading, ("group", "mean"), means))
    return found


def _cells(item: Subtask, *, judged: bool) -> tuple[str, ...]:
    row = item.row
    interval = "–" if row.ci_low is None else f"{row.ci_low:.1f} to {row.ci_high:.1f}"
    cells = [item.name, item.group or "–", item.figure or "–"]
    cells += [f"{row.value:.1f}", interval, str(row.n)]
    if judged:
        cells.append("–" if item.judged is None else f"{item.judged.value:.1f}")
    return tuple(cells)


def _to_csv(tables: Sequence[SubtaskTable]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ("model", "demo", "protocol", "subtask", "group", "figure_5", "accuracy")
    writer.writerow((*head, "ci_low", "ci_high", "n", "accuracy_judged"))
    for table in tables:
        for item in table.subtasks:
            row = item.row
            ends = ("" if end is None else end for end in (row.ci_low, row.ci_high))
            judged = "" if item.judged is None else item.judged.value
            names = (table.model, int(table.demo), table.protocol, item.name, item.group)
            writer.writerow((*names, item.figure, row.value, *ends, row.n, judged))
    return text.getvalue()


def _to_markdown(tables: Sequence[SubtaskTable]) -> str:
    return "\n\n".join(markdown_table(section) for section in _sections(tables)) + "\n"


def _to_latex(tables: Sequence[SubtaskTable]) -> str:
    return "\n\n".join(latex_table(section) for section in _sections(tables)) + "\n"


def _to_html(tables: Sequence[SubtaskTable]) -> str:
    from onethinker_eval.reporting.rendering import html_page

    return html_page("MMT-Bench by sub-task", _sections(tables))


SUBTASK_FORMATS: dict[str, Callable[[Sequence[SubtaskTable]], str]] = {
    "csv": _to_csv,
    "md": _to_markdown,
    "latex": _to_latex,
    "html": _to_html,
}
"""What `leaderboard --view mmt-subtasks --format` accepts."""
