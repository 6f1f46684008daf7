"""The paper's tables as data: every cell of tables 1 to 10, read from `results/published/*.csv`.

Values are percent as printed. A cell the paper leaves blank or prints as "-" has no value. `note`
says where the print is wrong (a decimal comma, a row set one column to the left).
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from onethinker_eval.errors import DataError
from onethinker_eval.paths import published_dir

__all__ = ["COLUMNS", "Key", "PublishedCell", "model_name", "published", "values_of"]

COLUMNS = ("table", "model", "benchmark", "split", "metric", "value", "frames", "note")
PAPER = "OneThinker (arXiv 2512.03043)"


class Key(NamedTuple):
    """What a number is of: benchmark (command-line name), split and metric."""

    benchmark: str
    split: str
    metric: str

    @property
    def label(self) -> str:
        """The column heading: `refcoco val R@0.5`."""
        return " ".join(part for part in self if part)


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One cell of a table of the paper; `value` in percent, `frames` as the table states it."""

    table: int
    model: str
    key: Key
    value: float | None
    frames: int | None
    note: str


@functools.lru_cache(maxsize=1)
def published() -> tuple[PublishedCell, ...]:
    """Return all cells, in the order of the tables; raises `DataError` naming file and line.

    >>> len({cell.table for cell in published()})
    10
    """
    cells: list[PublishedCell] = []
    for path in sorted(published_dir().glob("table_*.csv")):
        cells += _read(path)
    if not cells:
        raise DataError(
            "the paper's tables are gone, and leaderboards need their columns",
            file=str(published_dir()),
            fix="in a checkout: git checkout results/published; else reinstall the package",
        )
    return tuple(cells)


def _read(path: Path) -> list[PublishedCell]:
    cells = []
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(f"expected the columns {', '.join(COLUMNS)}", file=str(path))
        for row in reader:
            try:
                cells.append(_cell(row))
            except ValueError as error:
                line = f"line {reader.line_num}"
                raise DataError(str(error), file=str(path), record=line) from error
    return cells


def _cell(row: dict[str, str]) -> PublishedCell:
    return PublishedCell(
        table=int(row["table"]),
        model=row["model"],
        key=Key(row["benchmark"], row["split"], row["metric"]),
        value=float(row["value"]) if row["value"] else None,
        frames=int(row["frames"]) if row["frames"] else None,
        note=row["note"],
    )


def values_of(model: str, tables: Iterable[int] = range(1, 9)) -> dict[Key, float]:
    """Return the values the paper prints for `model`, by what they are of.

    >>> values_of("OneThinker-8B")[Key("refcoco", "val", "R@0.5")]
    92.0
    """
    wanted = set(tables)
    return {
        cell.key: cell.value
        for cell in published()
        if cell.table in wanted and cell.value is not None and model_name(cell.model) == model
    }


_VARIANTS = {
    "qwen3vl8binstruct": "Qwen3-VL-Instruct-8B",
    "qwen3vl8b": "Qwen3-VL-Instruct-8B",
    "onethinker8bmodel": "OneThinker-8B",
}


def model_name(name: str) -> str:
    """Return the paper's name of a model given a hub id, a folder or another spelling; else `name`.

    The paper's row "Qwen3-VL-Instruct-8B + SAM2" is the same model with the segmenter named.

    >>> model_name("org/onethinker_8b/"), model_name("Qwen/Qwen3-VL-8B-Instruct")
    ('OneThinker-8B', 'Qwen3-VL-Instruct-8B')
    """
    plain = re.sub(r"\s*\+\s*SAM2$", "", name.strip()).rstrip("/\\")
    last = re.split(r"[/\\]", plain)[-1]
    folded = _fold(last)
    known = {_fold(model): model for model in _models()}
    return known.get(folded) or _VARIANTS.get(folded) or plain


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.casefold())


@functools.lru_cache(maxsize=1)
def _models() -> tuple[str, ...]:
    names = dict.fromkeys(cell.model for cell in published())
    return tuple(name for name in names if "+" not in name)
