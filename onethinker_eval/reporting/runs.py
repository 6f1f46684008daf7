"""Reading run folders for a leaderboard, and writing a run's own metrics and leaderboard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Catalogue, catalogue
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.files import write_atomic
from onethinker_eval.reporting.board import Row, build_board, row_of_metrics
from onethinker_eval.reporting.rendering import to_csv, to_markdown
from onethinker_eval.reporting.signature import signatures_of_run
from onethinker_eval.rescoring.rows import MetricRow, read_metrics
from onethinker_eval.segmentation.journal import segmenters_of

__all__ = ["find_run", "model_of", "read_manifest", "read_run", "write_leaderboards"]


_DEFAULT_WEIGHTS = {"onethinker": "OneThink/OneThinker-8B"}
"""Models of ours that stand for certain weights when `--model_args` names none."""


def find_run(name: str | Path, output: str | Path = "results") -> Path:
    """Return the run folder meant by a path, or by a name under `output`.

    Raises `UsageError` naming the nearest runs if there is none.
    """
    for folder in (Path(name).expanduser(), Path(output) / name):
        if (folder / "run.json").is_file():
            return folder
    from difflib import get_close_matches

    known = [path.parent.name for path in sorted(Path(output).glob("*/run.json"))]
    near = get_close_matches(str(name), known, n=3, cutoff=0.4) or known[:5]
    hint = f"runs under {output}: {', '.join(near)}" if near else "a run folder holds a run.json"
    raise UsageError(f"{name} is not a run folder", hint=hint)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of `run.json`; raises `DataError` naming the file."""
    path = folder / "run.json"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", file=str(path)) from error
    if not isinstance(content, dict) or "identity" not in content:
        raise DataError("not a run manifest", file=str(path))
    return content


def read_run(
    folder: Path, *, protocol: str = "paper", rows: Iterable[MetricRow] | None = None
) -> Row:
    """Return the board row of a run folder, from its manifest and its `metrics.csv` (or `rows`)."""
    manifest = read_manifest(folder)
    lines = _metrics(folder) if rows is None else list(rows)
    tasks = _tasks(manifest)
    demo = bool(manifest.get("demo"))
    return row_of_metrics(
        lines,
        model=model_of(manifest),
        run=str(manifest.get("name") or folder.name),
        source="demo" if demo else "run",
        protocol=protocol,
        headlines=_headlines(tasks, protocol),
        partial=_partial(lines, manifest, tasks, demo=demo),
        signatures=signatures_of_run(
            manifest,
            {name: task.frames for name, task in tasks.tasks.items()},
            _judges(folder),
            segmenters_of(folder, "segmenter"),
        ),
    )


def write_leaderboards(folder: Path, rows: Iterable[MetricRow] | None = None) -> None:
    """Write `leaderboard.csv` and `leaderboard.md` of a run beside its `metrics.csv`, atomically.

    `rows` are the lines of `metrics.csv`, which is read if they are not given. The protocol is
    `paper`, or the first one there is.
    """
    lines = _metrics(folder) if rows is None else list(rows)
    protocols = list(dict.fromkeys(line.protocol for line in lines)) or ["paper"]
    protocol = "paper" if "paper" in protocols else protocols[0]
    board = build_board([read_run(folder, protocol=protocol, rows=lines)])
    write_atomic(folder / "leaderboard.csv", to_csv(board))
    write_atomic(folder / "leaderboard.md", to_markdown(board))


def _metrics(folder: Path) -> list[MetricRow]:
    path = folder / "metrics.csv"
    if not path.is_file():
        raise DataError("not found", file=str(path), fix=f"onethinker-eval score {folder}")
    return read_metrics(path)


def _tasks(manifest: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue; task folders of the run's own that are gone do not matter here."""
    settings = manifest.get("settings") or {}
    folders = [path for path in settings.get("include_path") or () if Path(path).is_dir()]
    return catalogue(folders)


def model_of(manifest: Mapping[str, Any]) -> str:
    """Name a run's model by the weights it names or implies, else by the lmms-eval model."""
    model = manifest["identity"]["model"]
    arguments = model.get("arguments") or {}
    for key in ("pretrained", "model_version", "model"):
        if arguments.get(key):
            return str(arguments[key])
    name = str(model["name"])
    return _DEFAULT_WEIGHTS.get(name, name)


def _judges(folder: Path) -> dict[str, str]:
    """Say who judged each task, if anyone did."""
    if not (folder / "judge" / "judge.json").exists():
        return {}
    from onethinker_eval.judging import read_judges

    return {task: judge.signature for task, judge in read_judges(folder).items()}


def _headlines(tasks: Catalogue, protocol: str) -> dict[tuple[str, str], str]:
    return {
        (task.benchmark, task.split): task.headline[protocol]
        for task in tasks.tasks.values()
        if protocol in task.headline
    }


def _partial(
    lines: Iterable[MetricRow], manifest: Mapping[str, Any], tasks: Catalogue, *, demo: bool
) -> dict[tuple[str, str], str]:
    """Say for each (benchmark, split) how it falls short of the whole set, if it does.

    The size of a set is the one the task file states; the demo suite is small on purpose.
    """
    failures: dict[tuple[str, str], int] = {}
    for line in lines:
        place = (line.benchmark, line.split)
        failures[place] = max(failures.get(place, 0), line.failed)
    limits = {}
    expected = {}
    for name, asked in manifest["identity"]["tasks"].items():
        info = asked.get("info") or {}
        place = (str(info.get("benchmark", "")), str(info.get("split", "")))
        limits[place] = asked.get("limit"), info.get("records")
        task = tasks.tasks.get(name)
        expected[place] = None if task is None or demo else task.expected
    found = {}
    for place, failed in failures.items():
        phrases = []
        limit, records = limits.get(place, (None, None))
        limited = isinstance(limit, int) and isinstance(records, int) and limit <= records
        if limited:
            phrases.append(f"first {records} (--limit)")
        size = expected.get(place)
        if not limited and size is not None and isinstance(records, int) and records < size:
            phrases.append(f"{records} of {size}")
        if failed:
            phrases.append(f"{failed} failed")
        if phrases:
            found[place] = ", ".join(phrases)
    return found
