"""`tasks`, `models`, `doctor`: what can be run here. None of them loads torch or lmms_eval."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker_eval.cli.terminal import Terminal

if TYPE_CHECKING:
    from onethinker_eval.benchmarks import Benchmark, Task

__all__ = ["IncludePath", "JsonFlag", "data_root", "doctor", "models", "tasks"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
IncludePath = Annotated[
    list[str] | None,
    typer.Option("--include_path", metavar="DIR", help="Folder with further task files."),
]


def tasks(
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="demo|PATH", help="Where to look ($ONETHINKER_DATA)."),
    ] = None,
    include_path: IncludePath = None,
    as_json: JsonFlag = False,
) -> None:
    """List the benchmarks: name, family, metric, size, whether the data is here."""
    from onethinker_eval.benchmarks import catalogue

    root = data_root(data)
    rows = [
        _benchmark_row(item, root) for item in catalogue(include_path or ()).benchmarks.values()
    ]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "family", "splits", "metric", "samples", "paper 8B", "data"):
        table.add_column(heading, justify="right" if heading in ("samples", "paper 8B") else "left")
    family = ""
    for row in rows:
        if family and row["family"] != family:
            table.add_section()
        family = row["family"]
        table.add_row(
            row["name"],
            row["family"],
            " ".join(row["splits"]),
            row["metric"],
            "?" if row["size"] is None else f"{row['size']:,}",
            _published(row["published"].values()),
            row["data"],
        )
    Terminal().console().print(table)
    families = len({row["family"] for row in rows})
    where = f"looked for in {root}" if root else "not looked for: name it with --data"
    print(f"\n{len(rows)} benchmarks in {families} families; data {where}.")


def data_root(named: str | None) -> str:
    """Return what `--data` or `$ONETHINKER_DATA` names, or "" if neither is given."""
    return named or os.environ.get("ONETHINKER_DATA", "")


def _benchmark_row(benchmark: Benchmark, root: str) -> dict[str, Any]:
    first = benchmark.tasks[0]
    found = [_present(task, root) for task in benchmark.tasks]
    state = "present" if all(found) else "partly" if any(found) else "absent"
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "family": benchmark.family,
        "metric": first.headline.get("paper", ""),
        "size": benchmark.expected,
        "data": state,
        "present": all(found),
        "splits": [task.split for task in benchmark.tasks],
        "tasks": [task.id for task in benchmark.tasks],
        "problem_type": first.problem_type,
        "published": {
            task.split: task.published["OneThinker-8B"]
            for task in benchmark.tasks
            if "OneThinker-8B" in task.published
        },
        "licence": first.licence,
        "homepage": first.homepage,
        "caveats": list(dict.fromkeys(text for task in benchmark.tasks for text in task.caveats)),
    }


def _present(task: Task, root: str) -> bool:
    """Say whether a source of the task lies under `root`; the demo suite has a twin of each."""
    from onethinker_eval import readers
    from onethinker_eval.errors import DataError

    if root in ("", "hub"):
        return False
    if root == "demo":
        from onethinker_eval.demo import benchmarks

        return task.benchmark in benchmarks()
    try:
        readers.find(task, root)
    except DataError:
        return False
    return True


def _published(values: Any) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def models(as_json: JsonFlag = False) -> None:
    """List what --model accepts: ours, and lmms-eval's models."""
    from onethinker_eval.cli.model_list import known_models

    rows = known_models()
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "from", "what it is"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["name"], row["source"], row["about"])
    Terminal().console().print(table)
    print("\nSettings go into --model_args, e.g. pretrained=FOLDER_OR_HUB_ID,device_map=cpu")


def doctor(as_json: JsonFlag = False) -> None:
    """Check this machine: versions, GPU, decoders, optional parts, and what would mend them."""
    from onethinker_eval.doctor import examine, print_report

    findings = examine()
    if as_json:
        print(json.dumps(findings.to_json(), indent=2, ensure_ascii=False))
    else:
        print_report(findings, Terminal().console())
    raise typer.Exit(findings.exit_code)
