"""The two tables of an ablation, with intervals over seeds, next to the paper's numbers.

An interval is Student's t over the seeds: it says how much the numbers would move with other
seeds, not with other test scenes, which all runs share. Differences to the unified arm are taken
seed by seed.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onethinker_eval.files import write_atomic
from onethinker_eval.reporting.averages import averages, mean_values
from onethinker_eval.reporting.published import published
from onethinker_eval.reporting.runs import read_run
from onethinker_eval.training.ablation import Ablation, Run
from onethinker_eval.training.curves import Curve, draw_figure, read_history

__all__ = ["Spread", "family_means", "spread", "write_tables"]

LEVEL = 0.95
PAPER_ARMS = {
    "SFT-only": "OneThinker-8B-SFT",
    "GRPO": "OneThinker-8B-GRPO",
    "Dr.GRPO": "OneThinker-8B-DrGRPO",
    "EMA-GRPO": "OneThinker-8B",
}
PAPER_WITHOUT = {
    "spatial_grounding": "OneThinker-wo-spatial-grounding",
    "temporal_grounding": "OneThinker-wo-temporal-grounding",
    "image_qa": "OneThinker-wo-ImageQA",
}
_COMBINED = ("qa", "segmentation")  # means of two families each
_CURVES = ("reward", "accuracy", "parsed")


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of the seeds and half the width of its 95 % interval (None with one seed)."""

    mean: float
    half: float | None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.half is None else f" ± {self.half:.1f}")


def spread(values: Sequence[float]) -> Spread:
    """Return mean and interval of the mean of one value a seed.

    >>> str(spread([50.0, 52.0, 54.0]))
    '52.0 ± 5.0'
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Spread(mean, None)
    from scipy.stats import t

    error = statistics.stdev(values) / math.sqrt(len(values))
    return Spread(mean, float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error)


def family_means(evaluation: Path) -> dict[str, float]:
    """Return the means (`reporting.averages`) of an evaluation's run folder, in percent.

    A limit leaves benchmarks partial, which is no matter between runs on the same samples.
    """
    cells = read_run(evaluation).cells
    values = {key: cell.value for key, cell in cells.items() if cell.value is not None}
    return mean_values(values)


def write_tables(ablation: Ablation, runs: Iterable[Run]) -> Path:
    """Write `table_9.csv`, `table_10.csv`, `tables.md` and `curves.html`; return their folder."""
    root = Path(ablation.output)
    made = list(runs)
    found: dict[str, list[dict[str, float]]] = {}
    for run in made:
        found.setdefault(run.arm, []).append(family_means(run.folder / "evaluation"))
    start = family_means(root / "start" / "evaluation")
    names = [a.name for a in averages() if a.name in start and a.name not in _COMBINED]
    nine = {"start": [start], **{name: found[name] for name in ablation.arms}}
    ten = {name: found[name] for name in (ablation.unified, *found) if name not in ablation.arms}
    ten = {ablation.unified: found[ablation.unified], **ten}
    paper = _paper()
    words = [_head(ablation, len(made))]
    for number, table in ((9, nine), (10, ten)):
        if len(table) < 2:
            continue
        write_atomic(root / f"table_{number}.csv", _csv(table, names, ablation.unified))
        words.append(_markdown(number, table, names, ablation.unified, paper))
    write_atomic(root / "tables.md", "\n\n".join(words) + "\n")
    write_atomic(root / "curves.html", _curves(made))
    return root


def _head(ablation: Ablation, count: int) -> str:
    seeds = len(ablation.seeds)
    return (
        f"Every arm: {ablation.steps} steps from {Path(ablation.start).name}, {seeds} seeds "
        f"({count} runs). Means over the benchmarks of a family in percent, ± half of the 95 % "
        "interval over seeds (Student's t); in brackets the difference to "
        f"{ablation.unified} seed by seed. `start` is the common cold start, evaluated once."
    )


def _paper() -> dict[str, dict[str, float]]:
    """Return the aggregates printed in tables 9 and 10, by model and name."""
    cells: dict[str, dict[str, float]] = {}
    for cell in published():
        if cell.table in (9, 10) and cell.value is not None:
            cells.setdefault(cell.model, {})[cell.key.benchmark] = cell.value
    return cells


def _differences(
    own: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]], name: str
) -> Spread | None:
    if len(own) != len(other) or own is other:
        return None
    return spread([mine[name] - theirs[name] for mine, theirs in zip(own, other, strict=True)])


def _csv(
    table: Mapping[str, Sequence[Mapping[str, float]]], names: Sequence[str], unified: str
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["arm", "family", "mean", "half_interval", "difference", "difference_half"])
    for arm, seeds in table.items():
        for name in names:
            value = spread([seed[name] for seed in seeds])
            gap = _differences(seeds, table[unified], name)
            numbers = (value.mean, value.half, gap and gap.mean, gap and gap.half)
            writer.writerow([arm, name, *("" if n is None else f"{n:.3f}" for n in numbers)])
    return text.getvalue()


def _markdown(
    number: int,
    table: Mapping[str, Sequence[Mapping[str, float]]],
    names: Sequence[str],
    unified: str,
    paper: Mapping[str, Mapping[str, float]],
) -> str:
    lines = [f"## As table {number} of the paper", ""]
    lines += ["| arm | " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    lines += ["|---" * (len(names) + 1) + "|"]
    for arm, seeds in table.items():
        cells = []
        for name in names:
            gap = _differences(seeds, table[unified], name)
            change = "" if gap is None else f" ({gap.mean:+.1f})"
            cells.append(f"{spread([seed[name] for seed in seeds])}{change}")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    lines += ["", "The paper's (8 billion parameters, its own means):", ""]
    columns = list(dict.fromkeys(name for cells in paper.values() for name in cells))
    shown = [(arm, _of_paper(arm, paper)) for arm in table]
    columns = [name for name in columns if any(name in cells for _, cells in shown)]
    lines += ["| arm | " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for arm, printed in shown:
        if printed:
            numbers = (f"{printed[name]:.1f}" if name in printed else "" for name in columns)
            lines.append(f"| {arm} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def _of_paper(arm: str, paper: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    left = arm.removeprefix("without ")
    model = PAPER_ARMS.get(arm, PAPER_WITHOUT.get(left, "") if left != arm else "")
    return paper.get(model, {})


def _curves(runs: Sequence[Run]) -> str:
    """Return a page with the reward curves of the arms, each the mean of its seeds."""
    by_arm: dict[str, list[dict[str, Curve]]] = {}
    for run in runs:
        if run.stage == "grpo":
            by_arm.setdefault(run.arm, []).append(read_history(run.folder))
    figures = []
    for name in _CURVES:
        lines = {arm: _mean([h[name] for h in seeds if name in h]) for arm, seeds in by_arm.items()}
        drawn = {arm: curve for arm, curve in lines.items() if curve}
        if drawn:
            figures.append(draw_figure(name, drawn))
    return "<!doctype html><meta charset='utf-8'><title>ablation</title>" + "".join(figures)


def _mean(curves: Sequence[Curve]) -> Curve:
    values: dict[int, list[float]] = {}
    for curve in curves:
        for step, value in curve:
            values.setdefault(step, []).append(value)
    return [(step, statistics.fmean(found)) for step, found in sorted(values.items())]
