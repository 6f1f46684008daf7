"""A leaderboard as titled tables of text, the same for Markdown, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from onethinker_eval.reporting.averages import averages
from onethinker_eval.reporting.board import Board, Cell, Difference, Row
from onethinker_eval.reporting.published import Key
from onethinker_eval.reporting.signature import Signature

__all__ = ["TITLES", "Section", "lines_of_signatures", "notes", "sections", "shared_signature"]

TITLES = {
    1: "Image question answering",
    2: "Video question answering",
    3: "Captioning",
    4: "Temporal grounding",
    5: "Spatial grounding",
    6: "Spatio-temporal grounding",
    7: "Tracking",
    8: "Segmentation",
    0: "Other tasks",
}
BLANK = "–"
PARTIAL_MARK = "*"


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table: headings, and rows of as many texts; `rule_after` rows a line is drawn."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rule_after: int = 0


def sections(board: Board) -> list[Section]:
    """Return a table per table of the paper that has values, the means, and the differences."""
    found = []
    for number, title in TITLES.items():
        keys = [key for table, key in board.columns if table == number]
        section = _values(title, keys, board)
        if section is not None:
            found.append(section)
    found += [*_means(board), *_differences(board)]
    return found


def _values(title: str, keys: Sequence[Key], board: Board) -> Section | None:
    runs = [row for row in board.rows if row.source != "published"]
    shown = [key for key in keys if any(key in row.cells for row in runs or board.rows)]
    rows = [row for row in board.rows if any(key in row.cells for key in shown)]
    if not shown:
        return None
    return Section(
        title,
        ("model", *(key.label for key in shown)),
        tuple((_name(row), *(_text(row.cells.get(key)) for key in shown)) for row in rows),
        sum(row.source == "published" for row in rows),
    )


def _means(board: Board) -> list[Section]:
    means = {id(row): row.means() for row in board.rows}
    names = [a.name for a in averages() if any(a.name in mean for mean in means.values())]
    rows = [row for row in board.rows if means[id(row)]]
    if not names:
        return []
    texts = [(_name(row), *(_number(means[id(row)].get(name)) for name in names)) for row in rows]
    rule = sum(row.source == "published" for row in rows)
    return [Section("Means over benchmarks", ("model", *names), tuple(texts), rule)]


def _differences(board: Board) -> list[Section]:
    found = []
    for row in board.rows:
        differences = board.differences(row)
        if differences:
            title = f"{_name(row)} against the paper"
            headings = ("column", "here", "paper", "difference", "95 % interval", "verdict")
            found.append(Section(title, headings, tuple(map(_difference, differences))))
    return found


def _difference(item: Difference) -> tuple[str, ...]:
    interval = BLANK
    if item.low is not None and item.high is not None:
        interval = f"{item.low:+.1f} to {item.high:+.1f}"
    here, paper = f"{item.value:.1f}", f"{item.paper:.1f}"
    return item.key.label, here, paper, f"{item.amount:+.1f}", interval, item.verdict


def _name(row: Row) -> str:
    if row.source == "published":
        return f"{row.model} (paper)"
    label = f"{row.model} (demo data)" if row.source == "demo" else row.model
    return f"{label} [{row.run}]" if row.run and row.run != row.model else label


def _text(cell: Cell | None) -> str:
    if cell is None or cell.value is None:
        return BLANK
    mark = PARTIAL_MARK if cell.partial else ""
    if cell.low is None or cell.high is None:
        return f"{cell.value:.1f}{mark}"
    return f"{cell.value:.1f}{mark} [{cell.low:.1f}, {cell.high:.1f}]"


def _number(value: float | None) -> str:
    return BLANK if value is None else f"{value:.1f}"


def notes(board: Board) -> list[str]:
    """Return what a reader must know beside the numbers, one sentence a line."""
    found = ["Values are percent; in brackets the 95 % bootstrap interval, by image or video."]
    protocols = dict.fromkeys(row.protocol for row in board.rows if row.source != "published")
    if protocols:
        found.append(f"Protocol: {', '.join(protocols)}.")
    if any(row.source == "demo" for row in board.rows):
        found.append(
            "Demo data: small synthetic scenes. These numbers say that the harness works, "
            "not how good a model is."
        )
    for row in board.rows:
        if row.partial():
            found.append(f"{PARTIAL_MARK} {_name(row)}: {'; '.join(row.partial())}.")
        unread = _unread(row)
        if unread:
            found.append(f"{_name(row)}: answers that could not be read, scored 0: {unread}.")
    if any(board.differences(row) for row in board.rows):
        found.append(
            "Above and below: the interval excludes the paper's value and its rounding. The "
            "paper's own sampling error is not known and not counted."
        )
    return found


def _unread(row: Row) -> str:
    counts = {
        f"{key.benchmark} {key.split}".strip(): (cell.unparsable, cell.n)
        for key, cell in row.cells.items()
        if cell.unparsable
    }
    return ", ".join(f"{name} {bad} of {n}" for name, (bad, n) in counts.items())


def shared_signature(row: Row) -> Signature:
    """Return what all numbers of a row have in common.

    Fields in which they differ, or that name the single number, are empty; a judge is named if
    there was but one, though not every number needed it.
    """
    signed = list(row.signatures.values())
    common = {}
    for item in fields(Signature):
        values = {getattr(signature, item.name) for signature in signed}
        if item.name == "judge":
            values.discard("")
        if len(values) == 1:
            common[item.name] = values.pop()
    common["protocol"] = row.protocol if signed else ""
    return Signature(**common)


def lines_of_signatures(board: Board) -> list[str]:
    """Return a signature per benchmark split of each run, headline metrics of the row."""
    from dataclasses import replace

    from onethinker_eval.judging.measures import is_judged

    lines = []
    for row in board.rows:
        for (benchmark, split), signature in row.signatures.items():
            metrics = [key.metric for key in row.cells if key[:2] == (benchmark, split)]
            judged = [name for name in metrics if signature.judge and is_judged(name)]
            for names, judge in (
                ([name for name in metrics if name not in judged], ""),
                (judged, signature.judge),
            ):
                if names:
                    named = replace(signature, metric=",".join(names), judge=judge)
                    lines.append(str(replace(named, protocol=row.protocol)))
    return lines
