"""The leaderboard: one row per run or published model, the paper's columns in the paper's order.

A row never mixes sources, and a board never mixes demo data with real data or with the paper's
numbers. A benchmark that was run in part (a limit, failed samples, fewer samples than the set has)
keeps its value but is marked, is left out of the means, and gets no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from onethinker_eval.errors import UsageError
from onethinker_eval.reporting.averages import mean_values, paper_columns
from onethinker_eval.reporting.published import Key, model_name, published, values_of

if TYPE_CHECKING:
    from onethinker_eval.reporting.signature import Signature
    from onethinker_eval.rescoring.rows import MetricRow

__all__ = [
    "Board",
    "Cell",
    "Difference",
    "Row",
    "build_board",
    "difference",
    "published_rows",
    "row_of_metrics",
]

Source = Literal["run", "demo", "published"]
Verdict = Literal["above", "below", "within noise", "partial", "no interval"]

JUDGED = " (judged)"
"""How the name of a number ends that a judge had a say in, where there is one by rule too."""
ROUNDING = 0.05
"""Half of the last digit the paper prints: its value may be off by this much."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in percent with its 95 % interval, its counts, and why it is partial, if it is."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unparsable: int = 0
    failed: int = 0
    partial: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the board: a run (real or demo data) or a model of the paper."""

    model: str
    run: str
    source: Source
    protocol: str
    cells: Mapping[Key, Cell]
    signatures: Mapping[tuple[str, str], Signature] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def means(self) -> dict[str, float]:
        """Return the means whose members are all there and whole."""
        return mean_values(
            {
                key: cell.value
                for key, cell in self.cells.items()
                if cell.value is not None and not cell.partial
            }
        )

    def partial(self) -> list[str]:
        """Return a phrase per benchmark that was run in part: `refcoco val: 100 of 10834`."""
        phrases = {
            f"{key.benchmark} {key.split}".strip(): cell.partial
            for key, cell in self.cells.items()
            if cell.partial
        }
        return [f"{name}: {text}" for name, text in phrases.items()]


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours minus the paper's, with the interval of ours moved alike, and what it amounts to."""

    key: Key
    value: float
    paper: float
    low: float | None
    high: float | None
    verdict: Verdict

    @property
    def amount(self) -> float:
        """Percentage points by which ours is higher."""
        return self.value - self.paper


@dataclass(frozen=True, slots=True)
class Board:
    """Rows and columns of a leaderboard; `columns` are (table of the paper or 0, key)."""

    columns: tuple[tuple[int, Key], ...]
    rows: tuple[Row, ...]

    def differences(self, row: Row) -> list[Difference]:
        """Return how the run `row` differs from the paper's row of the same model.

        Masks of another segmenter than the paper's SAM2 are not compared.
        """
        paper = values_of(model_name(row.model)) if row.source == "run" else {}
        return [
            difference(key, row.cells[key], paper[key])
            for _, key in self.columns
            if key in paper
            and key in row.cells
            and row.cells[key].value is not None
            and _paper_masks(row, key)
        ]


def _paper_masks(row: Row, key: Key) -> bool:
    signature = row.signatures.get((key.benchmark, key.split))
    return signature is None or not signature.masks or signature.masks.startswith("sam2")


def difference(key: Key, cell: Cell, paper: float) -> Difference:
    """Compare a value with the paper's; above or below only if the interval excludes it.

    The paper's value counts as an interval of its rounding; its sampling error is not known.

    >>> difference(Key("got10k", "val", "AO"), Cell(75.0, 73.5, 76.5), 73.0).verdict
    'above'
    """
    if cell.value is None:
        raise ValueError(f"{key.label} has no value")
    verdict: Verdict = "within noise"
    if cell.partial:
        verdict = "partial"
    elif cell.low is None or cell.high is None:
        verdict = "no interval"
    elif cell.low > paper + ROUNDING:
        verdict = "above"
    elif cell.high < paper - ROUNDING:
        verdict = "below"
    low = None if cell.low is None else cell.low - paper
    high = None if cell.high is None else cell.high - paper
    return Difference(key, cell.value, paper, low, high, verdict)


def build_board(
    rows: Sequence[Row], *, with_published: bool = False, models: Iterable[str] = ()
) -> Board:
    """Arrange `rows` under the paper's columns, own benchmarks after them.

    With `with_published` the paper's rows go first (`models` picks some). Raises `UsageError` if
    demo and real data, or demo and published numbers, would stand side by side.
    """
    sources = {row.source for row in rows}
    if "demo" in sources and (with_published or sources != {"demo"}):
        other = "the paper's numbers" if with_published else "runs on real data"
        raise UsageError(
            f"a run on demo data cannot stand beside {other}: they measure different things",
            hint="make a leaderboard of the demo runs alone",
        )
    paper = published_rows(models) if with_published else []
    fixed = paper_columns()
    known = {key for _, key in fixed}
    own = dict.fromkeys(key for row in rows for key in row.cells if key not in known)
    return Board(fixed + tuple((0, key) for key in own), (*paper, *rows))


def published_rows(models: Iterable[str] = ()) -> list[Row]:
    """Return a row per model of tables 1 to 8, in the order they first appear."""
    wanted = {model_name(name) for name in models}
    names = dict.fromkeys(model_name(cell.model) for cell in published() if cell.table <= 8)
    rows = []
    for name in names:
        if not wanted or name in wanted:
            cells = {key: Cell(value) for key, value in values_of(name).items()}
            rows.append(Row(name, "", "published", "paper", cells))
    unknown = wanted - {row.model for row in rows}
    if unknown:
        raise UsageError(
            f"the paper has no model {', '.join(sorted(unknown))}",
            hint=f"it has: {', '.join(names)}",
        )
    return rows


def row_of_metrics(
    rows: Iterable[MetricRow],
    *,
    model: str,
    run: str,
    source: Source,
    protocol: str,
    headlines: Mapping[tuple[str, str], str],
    partial: Mapping[tuple[str, str], str],
    signatures: Mapping[tuple[str, str], Signature],
) -> Row:
    """Make a board row from metric lines of one protocol.

    Kept are the paper's columns and, per benchmark, its headline metric, and the same one as a
    judge sees it. `partial` says which (benchmark, split) was run in part, and how.
    """
    wanted = {key for _, key in paper_columns()}
    cells = {}
    for line in rows:
        place = (line.benchmark, line.split)
        if line.protocol != protocol:
            continue
        key = Key(line.benchmark, line.split, line.metric)
        if key not in wanted and headlines.get(place) != line.metric.removesuffix(JUDGED):
            continue
        cells[key] = Cell(
            line.value,
            line.ci_low,
            line.ci_high,
            line.n,
            line.unparsable,
            line.failed,
            partial.get(place, ""),
        )
    return Row(model, run, source, protocol, cells, signatures)
