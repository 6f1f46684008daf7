"""The benchmarks, read from `tasks/<family>/*.yaml`: one `Task` per file, one `Benchmark` per name.

A task file is a working lmms-eval task; what this project adds lies under `metadata:`. Nothing is
imported or run while reading: `!function a.b.c` stays the text `a.b.c`. Files that name neither
`task:` nor `group:` are bases to include.

>>> [task.id for task in resolve(["GOT-10k"])]
['onethinker_got10k']
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from onethinker_eval.errors import DataError, UsageError, unknown_name
from onethinker_eval.paths import tasks_dir
from onethinker_eval.task_files import FunctionName, load_yaml, task_values

__all__ = [
    "ALIASES",
    "FAMILIES",
    "PREFIX",
    "Benchmark",
    "Catalogue",
    "FunctionName",
    "Task",
    "catalogue",
    "load_yaml",
    "resolve",
]

PREFIX = "onethinker_"
"""Every lmms-eval task id starts so: on a clash lmms-eval silently prefers its own task."""

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "image_qa": "Image question answering",
        "video_qa": "Video question answering",
        "image_caption": "Image captioning",
        "video_caption": "Video captioning",
        "temporal_grounding": "Temporal grounding",
        "spatial_grounding": "Spatial grounding",
        "spatio_temporal_grounding": "Spatio-temporal grounding",
        "tracking": "Tracking",
        "image_segmentation": "Image segmentation",
        "video_segmentation": "Video segmentation",
    }
)
"""The ten families in the paper's order, and their titles."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "gotk10k": "got10k",
        "got10": "got10k",
        "refcocoplus": "refcoco+",
        "refcocoplusseg": "refcoco+_seg",
        "segrefcoco": "refcoco_seg",
        "segrefcocop": "refcoco+_seg",
        "segrefcocog": "refcocog_seg",
        "charadessta": "charades",
        "activitynetcaptions": "activitynet",
        "anetcaptions": "activitynet",
        "activitynetrtl": "anet_rtl",
        "mmtbenchval": "mmt_bench",
        "mmt": "mmt_bench",
        "mmscicaptioning": "mmsci_caption",
        "mmsci": "mmsci_caption",
        "videommlu": "videommlu_caption",
        "videommlucap": "videommlu_caption",
        "lvb": "longvideobench",
        "longvideoreasoneval": "longvideo_reason",
        "scienceqaimg": "scienceqa",
        "segmevis": "mevis",
        "segreasonvos": "reasonvos",
        "mathvistamini": "mathvista",
        "mathversemini": "mathverse",
        "mmmuval": "mmmu",
        "mmbenchdeven": "mmbench",
    }
)
"""Other spellings in use, folded as `_fold` does, and the benchmark each stands for."""


@dataclass(frozen=True, slots=True)
class Task:
    """One benchmark split: where its records are, how it is asked, how it is scored.

    `id` is the lmms-eval task name. `sources` are tried in order under the data root. `headline`
    maps a protocol to the metric that stands for the task. `published` maps a model to the paper's
    value of the `paper` headline, in percent. `where` keeps only records whose `meta` has these
    values; `part_of` names the task whose records this one repeats in part (such a task runs only
    when asked for by name). `breakdown` names the `meta` key the report splits the score by.
    """

    id: str
    benchmark: str
    split: str
    family: str
    title: str
    problem_type: str
    data_type: str
    expected: int | None = None
    sources: tuple[Mapping[str, Any], ...] = ()
    headline: Mapping[str, str] = field(default_factory=dict)
    protocols: tuple[str, ...] = ("paper", "official", "repaired")
    prompt: str = ""
    generation: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    choice_rule: str = ""
    span_rule: str = ""
    average: str = "micro"
    breakdown: str = ""
    judge: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    part_of: str = ""
    licence: str = ""
    homepage: str = ""
    caveats: tuple[str, ...] = ()
    version: float = 1
    file: str = ""

    @property
    def name(self) -> str:
        """The id without its prefix: what people type."""
        return self.id.removeprefix(PREFIX)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A row group of the paper's tables: its splits, and the partial views asked for by name."""

    name: str
    title: str
    family: str
    tasks: tuple[Task, ...]
    parts: tuple[Task, ...] = ()

    @property
    def expected(self) -> int | None:
        """Number of records over all splits, or None if one of them is unknown."""
        counts = [task.expected for task in self.tasks]
        return None if None in counts else sum(count or 0 for count in counts)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All task files of some folders: tasks by id, benchmarks by name, in the paper's order."""

    tasks: Mapping[str, Task]
    benchmarks: Mapping[str, Benchmark]

    def families(self) -> dict[str, tuple[Benchmark, ...]]:
        """Return the benchmarks of each family; families without a benchmark are left out."""
        found: dict[str, list[Benchmark]] = {name: [] for name in FAMILIES}
        for benchmark in self.benchmarks.values():
            found.setdefault(benchmark.family, []).append(benchmark)
        return {name: tuple(group) for name, group in found.items() if group}

    def resolve(self, names: str | Iterable[str]) -> list[Task]:
        """Return the tasks meant by `names`, each once, in the order asked for.

        A name is a task id (with or without prefix), a benchmark, a family, `all`, a pattern with
        `*`, or another common spelling; commas separate names. Raises `UsageError` with the
        nearest names for one that is not known, and for an empty list.
        """
        words = [names] if isinstance(names, str) else list(names)
        wanted = [word.strip() for text in words for word in text.split(",") if word.strip()]
        if not wanted:
            raise UsageError(
                "no task named", hint="try --tasks all, or see `onethinker-eval tasks`"
            )
        table = self._table()
        found: dict[str, Task] = {}
        for name in wanted:
            for task in self._lookup(name, table):
                found.setdefault(task.id, task)
        return list(found.values())

    def _lookup(self, name: str, table: Mapping[str, tuple[Task, ...]]) -> tuple[Task, ...]:
        if name in self.tasks:
            return (self.tasks[name],)
        folded = _fold(name)
        folded = _fold(ALIASES.get(folded, folded))
        if folded in table:
            return table[folded]
        if "*" in name or "?" in name:
            pattern = name.casefold()
            hits = [
                task
                for task in self.tasks.values()
                if fnmatch.fnmatch(task.name.casefold(), pattern)
                or fnmatch.fnmatch(task.id.casefold(), pattern)
            ]
            if hits:
                return tuple(hits)
        raise unknown_name("task", name, self.names())

    def names(self) -> list[str]:
        """Return every name `resolve` knows, benchmarks first, without the aliases."""
        ordered = [*self.benchmarks, *self.families(), "all"]
        ordered += [task.name for task in self.tasks.values()]
        return list(dict.fromkeys(ordered))

    def _table(self) -> dict[str, tuple[Task, ...]]:
        table: dict[str, tuple[Task, ...]] = {}
        for task in self.tasks.values():
            table[_fold(task.name)] = table[_fold(task.id)] = (task,)
        for family, group in self.families().items():
            members = tuple(task for benchmark in group for task in benchmark.tasks)
            table[_fold(family)] = table[_fold(PREFIX + family)] = members
        everything = tuple(task for bench in self.benchmarks.values() for task in bench.tasks)
        table["all"] = table[_fold(PREFIX + "all")] = everything
        for benchmark in self.benchmarks.values():
            table[_fold(benchmark.name)] = table[_fold(PREFIX + benchmark.name)] = benchmark.tasks
        return table


def _fold(name: str) -> str:
    """Fold a name for comparison: case, hyphens, underscores and blanks dropped, + read as p."""
    return re.sub(r"[-_\s]", "", name.casefold().replace("+", "p"))


def catalogue(include_path: Sequence[str | Path] = ()) -> Catalogue:
    """Read the shipped task files and those under the folders of `include_path` (cached).

    Raises `DataError` naming file and key for a malformed file or a task id used twice, and
    `UsageError` for a folder that does not exist.
    """
    return _catalogue(tasks_dir(), tuple(Path(path).resolve() for path in include_path))


def resolve(names: str | Iterable[str], include_path: Sequence[str | Path] = ()) -> list[Task]:
    """Return the tasks meant by `names`; see `Catalogue.resolve`.

    >>> len(resolve("spatial_grounding"))
    8
    """
    return catalogue(include_path).resolve(names)


@functools.lru_cache(maxsize=8)
def _catalogue(shipped: Path, extra: tuple[Path, ...]) -> Catalogue:
    tasks: dict[str, Task] = {}
    for root in (shipped, *extra):
        if not root.is_dir():
            raise UsageError(f"the task folder {root} does not exist", hint="check --include-path")
        for path in sorted(root.rglob("*.yaml")):
            content = load_yaml(path)
            if not isinstance(content.get("task"), str):
                continue
            known = {item.name for item in fields(Task)} - {"id", "file", "generation"}
            values = task_values(content, path, known=known, strict=root == shipped)
            task = Task(id=content["task"], file=str(path), **values)
            if task.id in tasks:
                raise DataError(
                    f"the task id {task.id!r} is already used by {tasks[task.id].file}",
                    file=str(path),
                    field="task",
                    fix="choose another id",
                )
            tasks[task.id] = task
    return _arrange(tasks)


def _arrange(tasks: dict[str, Task]) -> Catalogue:
    order = {family: number for number, family in enumerate(FAMILIES)}
    ranked = sorted(
        tasks.values(), key=lambda task: (order.get(task.family, len(order)), _rank(task), task.id)
    )
    groups: dict[str, list[Task]] = {}
    for task in ranked:
        groups.setdefault(task.benchmark, []).append(task)
    benchmarks = {}
    for name, members in groups.items():
        whole = tuple(task for task in members if not task.part_of)
        parts = tuple(task for task in members if task.part_of)
        first = (whole or parts)[0]
        benchmarks[name] = Benchmark(name, first.title, first.family, whole or parts, parts)
    by_id = {task.id: task for task in ranked}
    return Catalogue(MappingProxyType(by_id), MappingProxyType(benchmarks))


_ORDER = [
    "mmmu",
    "mathvista",
    "mathverse",
    "mmbench",
    "mmstar",
    "scienceqa",
    "ai2d",
    "mmt_bench",
    "videommmu",
    "mmvu",
    "videomme",
    "videoholmes",
    "longvideobench",
    "longvideo_reason",
    "videomathqa",
    "mmsci_caption",
    "mmt_caption",
    "videommlu_caption",
    "charades",
    "activitynet",
    "anet_rtl",
    "refcoco",
    "refcoco+",
    "refcocog",
    "stvg",
    "got10k",
    "refcoco_seg",
    "refcoco+_seg",
    "refcocog_seg",
    "mevis",
    "reasonvos",
]


def _rank(task: Task) -> tuple[int, int]:
    """Order benchmarks as the paper's tables do, splits as val, testA, testB, test."""
    place = _ORDER.index(task.benchmark) if task.benchmark in _ORDER else len(_ORDER)
    splits = ("val", "testA", "testB", "test")
    return place, splits.index(task.split) if task.split in splits else len(splits)
