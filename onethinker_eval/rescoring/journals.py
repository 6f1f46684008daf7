"""Finding the journals of a run folder, and reading score files back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onethinker_eval.files import read_journal
from onethinker_eval.scoring.result import Score
from onethinker_eval.statistics import ClusterSums

__all__ = ["journal_parts", "read_clusters", "read_scores", "stored_tasks", "winning_lines"]


def journal_parts(folder: Path, task: str) -> list[Path]:
    """Return the journals of a task in `folder` (`replies` or `masks`), the main file first."""
    main = folder / f"{task}.jsonl"
    return [path for path in (main, *sorted(folder.glob(f"{task}.rank*.jsonl"))) if path.exists()]


def stored_tasks(run: Path) -> list[str]:
    """Return the tasks that have replies in a run folder, sorted."""
    names = {path.name.split(".")[0] for path in (run / "replies").glob("*.jsonl")}
    return sorted(names)


def winning_lines(run: Path, task: str) -> list[dict[str, Any]]:
    """Return the line that counts for each sample of a task: a reply wins, then the later one."""
    best: dict[str, dict[str, Any]] = {}
    for path in journal_parts(run / "replies", task):
        for _, line in read_journal(path):
            known = best.get(line["id"])
            if known is None or line["status"] == "ok" or known["status"] != "ok":
                best[line["id"]] = line
    return list(best.values())


def read_scores(path: Path | str, protocol: str) -> Iterator[tuple[str, str, Score]]:
    """Yield (sample id, cluster, score) of a score file; `Score.answer` is not stored."""
    for _, line in read_journal(path):
        stored: dict[str, Any] | None = line.get(protocol)
        if stored is None:
            continue
        yield line["id"], line["cluster"], Score(**stored, answer=None)


def read_clusters(
    path: Path | str, protocol: str, *, only: frozenset[str] | None = None
) -> ClusterSums:
    """Return the sums by cluster of a score file, for intervals and paired tests.

    `only` keeps these sample ids: two runs are compared on the samples both scored.
    """
    table = ClusterSums()
    clusters: list[str] = []
    statistics: list[Any] = []
    for sample, cluster, score in read_scores(path, protocol):
        if score.outcome == "failed" or (only is not None and sample not in only):
            continue
        clusters.append(cluster)
        statistics.append(score.statistics)
        if len(clusters) >= 4096:
            table.add_many(clusters, statistics)
            clusters, statistics = [], []
    table.add_many(clusters, statistics)
    return table
