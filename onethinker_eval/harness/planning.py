"""`--plan`: time and GPU hours of a full run, estimated from a few measured samples a family.

The samples go through the very path of a run, in a folder that is thrown away. What a sample of a
benchmark takes is the mean of its family's measured ones; how many there are says the task file.
The range is the 90 % interval of that mean (Student's t), added in squares across families, whose
errors are independent, and straight within one, whose are not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onethinker_eval import readers
from onethinker_eval.benchmarks import Task, resolve
from onethinker_eval.demo import is_demo
from onethinker_eval.errors import DataError, RunError
from onethinker_eval.harness import costs
from onethinker_eval.harness.progress import ProgressCallback
from onethinker_eval.harness.settings import Settings, parse_arguments
from onethinker_eval.harness.workload import load_work
from onethinker_eval.records import Record

__all__ = ["Estimate", "Plan", "PlanRow", "estimate", "make_plan", "spread"]

_CONFIDENCE = 0.9
_PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one sample takes, in seconds of one engine: the mean, and half its interval's width."""

    mean_s: float
    half_s: float
    measured: int


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One benchmark split; times in seconds.

    `counted` is false where the task file does not say how many samples there are and those found
    were counted instead. `wall_s` is for all GPUs at work, `gpu_hours` for all of them together.
    """

    benchmark: str
    split: str
    family: str
    samples: int
    counted: bool
    seconds_a_sample: float
    wall_s: float
    wall_low_s: float
    wall_high_s: float
    gpu_hours: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of a plan, their sum with the loading of the model, and what to know about it."""

    gpus: int
    gpus_an_engine: int
    load_s: float
    rows: tuple[PlanRow, ...]
    whole: PlanRow
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)


def make_plan(
    settings: Settings,
    *,
    samples: int = 8,
    gpus: int = 1,
    progress: ProgressCallback | None = None,
) -> Plan:
    """Measure `samples` of each family of the settings' tasks, and plan a run on `gpus`.

    Raises `DataError` if there is no data of any task, `RunError` if no sample was answered, and
    as `evaluate`.
    """
    from onethinker_eval.harness.evaluate import answer

    tasks = resolve(settings.tasks, settings.include_path)
    found, notes = _records(tasks, settings)
    chosen = _chosen(tasks, found, samples)
    began = time.monotonic()
    lines = answer(settings, chosen, progress=progress)
    spent = time.monotonic() - began
    measured, failed = _measured(tasks, lines)
    walls = sum(cost.wall_s for cost in costs.meter().snapshot().values())
    if failed:
        notes.append(f"{failed} samples failed and were left out")
    if is_demo(settings.data):
        notes.append("demo data: its media are smaller than the benchmarks' own")
    rows = _rows(tasks, found, measured, settings, gpus)
    engine = gpus_an_engine(settings.model_args)
    if gpus < engine:
        notes.append(f"one engine takes {engine} GPUs, more than --gpus {gpus}")
    load_s = max(0.0, spent - walls)
    notes.append(
        f"measured: {sum(each.measured for each in measured.values())} samples of "
        f"{len(measured)} families; ranges are 90 % of means; the model loaded in {load_s:.0f} s"
    )
    return Plan(gpus, engine, load_s, tuple(rows), _sum(rows, load_s), tuple(notes))


def gpus_an_engine(model_args: str) -> int:
    """Return how many GPUs one copy of the model takes.

    >>> gpus_an_engine("pretrained=m,tensor_parallel_size=4")
    4
    """
    values = parse_arguments(model_args, "--model_args")
    return math.prod(int(values[key]) for key in _PARALLEL if values.get(key, "").isdigit())


def _records(
    tasks: Sequence[Task], settings: Settings
) -> tuple[dict[str, tuple[Record, ...]], list[str]]:
    data: str | Path = settings.data
    if data != "hub":
        data = readers.data_root(settings.data)
    found: dict[str, tuple[Record, ...]] = {}
    missing = []
    for task in tasks:
        try:
            found[task.id] = load_work(task, settings, data).records
        except DataError as error:
            missing.append((task, error))
    if not found:
        raise missing[0][1]
    families = {task.family for task in tasks if task.id in found}
    notes = []
    for task, _ in missing:
        how = "as its family" if task.family in families else "as all measured samples"
        notes.append(f"{task.name}: no data here; estimated {how}")
    return found, notes


def _chosen(
    tasks: Sequence[Task], found: Mapping[str, Sequence[Record]], samples: int
) -> list[tuple[Task, list[Record]]]:
    """Return what is measured: of each family, samples spread over its tasks and their records.

    The first of all is one more: it warms the engine up and is left out.
    """
    families: dict[str, list[Task]] = {}
    for task in tasks:
        if task.id in found:
            families.setdefault(task.family, []).append(task)
    chosen: list[tuple[Task, list[Record]]] = []
    for members in families.values():
        for place, task in enumerate(members):
            share = samples // len(members) + (place < samples % len(members))
            records = found[task.id]
            share += not chosen
            picked = [records[index] for index in spread(len(records), share)]
            if picked:
                chosen.append((task, picked))
    return chosen


def spread(total: int, count: int) -> list[int]:
    """Return `count` places (fewer if there are fewer) at even distances over `total`.

    >>> spread(100, 4), spread(2, 4)
    ([12, 37, 62, 87], [0, 1])
    """
    count = min(total, count)
    return [(2 * number + 1) * total // (2 * count) for number in range(count)]


def _measured(
    tasks: Sequence[Task], lines: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[dict[str, Estimate], int]:
    """Return the estimate of each measured family, and how many samples failed.

    A line's seconds are scaled so that they add up to the task's wall time: an engine that works
    on several samples at once counts none of them twice, and time between samples is not lost.
    """
    families = {task.id: task.family for task in tasks}
    times: dict[str, list[float]] = {}
    failed = 0
    warm = False
    for task, stored in lines.items():
        wall = costs.meter().snapshot().get(task, costs.Cost()).wall_s
        total = sum(line["seconds"] for line in stored) or 1.0
        for line in stored:
            if line["status"] != "ok":
                failed += 1
            elif warm or len(stored) == 1:
                seconds = line["seconds"] * wall / total
                times.setdefault(families[task], []).append(seconds or wall / len(stored))
            warm = True
    if not times:
        raise RunError(
            "no sample was answered, so nothing can be planned",
            hint="the same command without --plan and with --limit 1 shows why",
        )
    return {family: estimate(values) for family, values in times.items()}, failed


def estimate(seconds: Sequence[float]) -> Estimate:
    """Return the mean of some times and half the width of its 90 % interval.

    With one time alone the interval reaches from nothing to twice as much.

    >>> estimate([2.0, 2.0, 2.0])
    Estimate(mean_s=2.0, half_s=0.0, measured=3)
    """
    count = len(seconds)
    mean = math.fsum(seconds) / count
    if count < 2:
        return Estimate(mean, mean, count)
    from scipy.stats import t

    variance = math.fsum((value - mean) ** 2 for value in seconds) / (count - 1)
    wide = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * math.sqrt(variance / count)
    return Estimate(mean, wide, count)


def _rows(
    tasks: Sequence[Task],
    found: Mapping[str, Sequence[Record]],
    measured: Mapping[str, Estimate],
    settings: Settings,
    gpus: int,
) -> list[PlanRow]:
    engine = gpus_an_engine(settings.model_args)
    engines = max(1, gpus // engine)
    every = estimate([each.mean_s for each in measured.values()])
    rows = []
    for task in tasks:
        each = measured.get(task.family, every)
        size = task.expected if task.expected is not None else len(found.get(task.id, ()))
        size = size if settings.limit is None else min(size, settings.limit)
        busy = size * each.mean_s
        half = size * each.half_s / engines
        # The last sample of an engine keeps the others waiting: half of one, on average.
        wall = busy / engines + (each.mean_s / 2 if engines > 1 else 0.0)
        rows.append(
            PlanRow(
                task.benchmark,
                task.split,
                task.family,
                size,
                task.expected is not None,
                each.mean_s,
                wall,
                max(0.0, wall - half),
                wall + half,
                busy * engine / 3600,
            )
        )
    return rows


def _sum(rows: Sequence[PlanRow], load_s: float) -> PlanRow:
    """Return all rows together; half widths add up within a family and in squares across."""
    wide: dict[str, float] = {}
    for row in rows:
        wide[row.family] = wide.get(row.family, 0.0) + row.wall_high_s - row.wall_s
    half = math.hypot(*wide.values())
    wall = math.fsum(row.wall_s for row in rows) + load_s
    samples = sum(row.samples for row in rows)
    hours = math.fsum(row.gpu_hours for row in rows)
    busy = math.fsum(row.samples * row.seconds_a_sample for row in rows)
    return PlanRow(
        "all",
        "",
        "",
        samples,
        all(row.counted for row in rows),
        busy / samples if samples else 0.0,
        wall,
        max(0.0, wall - half),
        wall + half,
        hours,
    )
