"""The curves of a training run as one HTML page that needs nothing else to be shown.

Read from the newest whole checkpoint's `trainer_state.json`: everything that was logged, task by
task in one chart for each kind of metric.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from pathlib import Path

from onethinker_eval.errors import RunError
from onethinker_eval.files import write_atomic
from onethinker_eval.training.launch import last_checkpoint

__all__ = ["COLOURS", "charts", "coloured", "draw_figure", "read_history", "write_page"]

_WIDTH, _HEIGHT, _LEFT, _FOOT = 460, 200, 56, 18
COLOURS = ("#2563a8", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#a16207", "#4b5563")
_WHOLE = "#111827"
_SKIPPED = {"step", "epoch", "num_tokens", "total_flos"}
_FIRST = (
    *("eval", "reward", "accuracy", "part", "sigma", "uniform_groups", "parse_failures"),
    *("tokens", "kl", "loss", "entropy", "failed_rewards", "filter"),
)
"""The charts that are looked at most, before all others."""
_STYLE = (
    "body{font:14px system-ui;margin:2rem;max-width:1000px}"
    "figure{display:inline-block;margin:.5rem}"
    "figcaption{font-weight:600}text{font-size:11px;fill:#555}.key{margin-right:1em}"
)

Curve = list[tuple[int, float]]


def read_history(run: Path) -> dict[str, Curve]:
    """Return each logged metric as (step, value) pairs; raises `RunError` without a checkpoint."""
    checkpoint = last_checkpoint(run)
    if checkpoint is None:
        raise RunError(f"{run} has no whole checkpoint yet", hint="wait for the first one")
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    curves: dict[str, Curve] = {}
    for line in state["log_history"]:
        for name, value in line.items():
            plain = isinstance(value, (int, float)) and math.isfinite(value)
            if plain and name not in _SKIPPED and not name.startswith("train_"):
                curves.setdefault(name, []).append((int(line["step"]), float(value)))
    return curves


def charts(curves: dict[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Group curves by chart: `reward/math` and `reward/ocr` are two lines of `reward`.

    >>> charts({"loss": [(1, 2.0)], "sigma/math": [(1, .5)]})
    {'sigma': {'math': [(1, 0.5)]}, 'loss': {'': [(1, 2.0)]}}
    """
    made: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        head, _, line = name.partition("/")
        made.setdefault(head, {})[line] = curve
    places = {head: place for place, head in enumerate(_FIRST)}
    return dict(sorted(made.items(), key=lambda item: places.get(item[0], len(places))))


def write_page(run: Path) -> Path:
    """Write `curves.html` into the run folder and return its path."""
    title = html.escape(run.name)
    figures = [draw_figure(name, lines) for name, lines in charts(read_history(run)).items()]
    text = (
        f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1>{''.join(figures)}"
    )
    path = run / "curves.html"
    write_atomic(path, text)
    return path


def coloured(lines: Mapping[str, Curve]) -> list[tuple[str, str, int, Curve]]:
    """Return label, colour, how often all colours were used before, and curve of each line.

    A task has the same colour in every chart that has the same tasks. The line without a name is
    the whole, which TRL logs under the bare name of the metric.

    >>> [line[:3] for line in coloured({"": [], "math": [], "ocr": []})]
    [('math', '#2563a8', 0), ('ocr', '#c2410c', 0), ('all', '#111827', 0)]
    """
    made = [
        (label, COLOURS[number % len(COLOURS)], number // len(COLOURS), lines[label])
        for number, label in enumerate(sorted(label for label in lines if label))
    ]
    if "" in lines:
        made.append(("all" if made else "", _WHOLE, 0, lines[""]))
    return made


def draw_figure(name: str, lines: dict[str, Curve]) -> str:
    """Return one chart as an HTML figure with an SVG in it; `lines` are curves by their names."""
    points = [point for curve in lines.values() for point in curve]
    steps = [step for step, _ in points]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    first, last = min(steps), max(steps)
    across = (_WIDTH - _LEFT - 8) / max(last - first, 1)
    up = (_HEIGHT - _FOOT - 12) / ((high - low) or 1.0)
    drawn, keys = [], []
    for label, colour, turn, curve in coloured(lines):
        dash = f" stroke-dasharray='{4 * turn}'" if turn else ""
        path = " ".join(
            f"{_LEFT + (step - first) * across:.1f},{_HEIGHT - _FOOT - (value - low) * up:.1f}"
            for step, value in curve
        )
        drawn.append(
            f"<polyline fill='none' stroke='{colour}' stroke-width='1.6'{dash} points='{path}'/>"
        )
        if label:
            keys.append(f"<span class='key' style='color:{colour}'>{html.escape(label)}</span>")
    foot = _HEIGHT - _FOOT
    return (
        f"<figure><figcaption>{html.escape(name)}</figcaption>"
        f"<svg width='{_WIDTH}' height='{_HEIGHT}' role='img'>"
        f"<line x1='{_LEFT}' y1='{foot}' x2='{_WIDTH}' y2='{foot}' stroke='#ccc'/>"
        f"<text x='0' y='14'>{high:.4g}</text><text x='0' y='{foot}'>{low:.4g}</text>"
        f"<text x='{_LEFT}' y='{_HEIGHT - 3}'>step {first}</text>"
        f"<text x='{_WIDTH}' y='{_HEIGHT - 3}' text-anchor='end'>{last}</text>"
        f"{''.join(drawn)}</svg><div>{''.join(keys)}</div></figure>"
    )
