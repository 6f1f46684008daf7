"""`score` and `leaderboard`: what can be done with finished replies, without any model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker_eval.cli.terminal import Terminal

if TYPE_CHECKING:
    from onethinker_eval.judging import JudgeSettings

__all__ = ["leaderboard", "score"]

_VIEWS = ("paper", "mmt-subtasks")

Output = Annotated[
    str, typer.Option("--output", metavar="DIR", help="Where run names are looked up.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Tracebacks of errors.")]


def score(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="P,…", help="Only these (default: those of the run)."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="K=V,…",
            help="Ask this LLM judge what is not stored yet: base_url=…,model=…",
        ),
    ] = None,
    output: Output = "results",
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors and the table.")] = False,
    verbose: Verbose = False,
) -> None:
    """Score the stored replies of a run again, without a model, and say what changed."""
    from onethinker_eval.cli.evaluate_command import check_protocols, words
    from onethinker_eval.cli.summary import print_metrics
    from onethinker_eval.files import FolderLock
    from onethinker_eval.reporting import find_run, read_manifest, write_leaderboards
    from onethinker_eval.rescoring import rescore

    terminal = Terminal(quiet=quiet, verbose=verbose)
    terminal.show_own_warnings()
    asked = _judge_settings(judge)
    folder = find_run(run, output)
    manifest = read_manifest(folder)
    settings = manifest.get("settings") or {}
    protocols = words(protocol) or tuple(settings.get("protocols") or ())
    check_protocols(protocols)
    with FolderLock(folder):
        if asked is not None:
            _ask_judge(folder, asked, settings.get("include_path") or (), terminal)
        result = rescore(
            folder,
            protocols=protocols,
            seed=int(manifest["identity"].get("seed", 0)),
            include_path=tuple(settings.get("include_path") or ()),
        )
        write_leaderboards(folder, result.rows)
    for task in result.tasks:
        name = f"{task.plan.benchmark} {task.plan.split}".strip()
        terminal.say(f"{name}: {task.changes.summary()}")
    for line in result.metric_changes:
        terminal.say(f"  {line}")
    print_metrics(
        result.rows,
        terminal,
        protocol=protocols[0] if protocols else "paper",
        demo=bool(manifest.get("demo")),
    )
    for name, count in result.unjudged.items():
        terminal.warn(f"{name}: {count} samples without a judged score; --judge asks again")
    if result.failed:
        terminal.warn(f"{result.failed} samples have no score: the run is not complete")
    raise typer.Exit(1 if result.failed or result.unjudged else 0)


def _judge_settings(text: str | None) -> JudgeSettings | None:
    if not text:
        return None
    from onethinker_eval.judging import parse_judge

    return parse_judge(text)


def _ask_judge(
    folder: Path, judge: JudgeSettings, include_path: Sequence[str], terminal: Terminal
) -> None:
    """Ask the judge about the run's replies, and say what that took."""
    from onethinker_eval.benchmarks import catalogue
    from onethinker_eval.judging import judge_run, judged_tasks
    from onethinker_eval.rescoring.journals import stored_tasks

    stored = set(stored_tasks(folder))
    tasks = [task for task in catalogue(include_path).tasks.values() if task.id in stored]
    if not judged_tasks(tasks, judge):
        terminal.warn("no task of this run has anything to ask this judge")
    try:
        for report in judge_run(folder, tasks, judge):
            terminal.say(report.summary())
    except KeyboardInterrupt:
        terminal.warn("interrupted; what the judge said is kept: run the same command to go on")
        raise typer.Exit(130) from None


def leaderboard(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, or their names.")
    ],
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Put the paper's rows on top.")
    ] = False,
    models: Annotated[
        str | None,
        typer.Option("--models", metavar="A,B", help="Of the paper's rows, only these."),
    ] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", metavar="P", help="paper, official or repaired.")
    ] = "paper",
    form: Annotated[
        str, typer.Option("--format", metavar="csv|md|latex|html", help="How to print it.")
    ] = "md",
    to: Annotated[
        str | None, typer.Option("--to", metavar="FILE", help="Write there instead of printing.")
    ] = None,
    view: Annotated[
        str,
        typer.Option(
            "--view", metavar="V", help="paper, or mmt-subtasks: MMT-Bench as in figure 5."
        ),
    ] = "paper",
    output: Output = "results",
    verbose: Verbose = False,
) -> None:
    """Print runs in the paper's columns, means as in its tables 9 and 10."""
    from onethinker_eval.errors import UsageError, unknown_name
    from onethinker_eval.reporting import FORMATS, build_board, find_run, read_run
    from onethinker_eval.reporting.subtasks import SUBTASK_FORMATS, read_subtasks
    from onethinker_eval.scoring.result import PROTOCOLS

    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if view not in _VIEWS:
        raise unknown_name("view", view, _VIEWS)
    Terminal(verbose=verbose).show_own_warnings()
    if view == "mmt-subtasks":
        if with_published or models:
            raise UsageError("the paper prints no numbers by sub-task: drop --with-published")
        folders = [find_run(name, output) for name in runs]
        tables = [read_subtasks(folder, protocol=protocol) for folder in folders]
        _put(SUBTASK_FORMATS[form](tables), to)
        return
    rows = [read_run(find_run(name, output), protocol=protocol) for name in runs]
    wanted = [name.strip() for name in (models or "").split(",") if name.strip()]
    text = FORMATS[form](
        build_board(rows, with_published=with_published or bool(wanted), models=wanted)
    )
    _put(text, to)


def _put(text: str, to: str | None) -> None:
    if to:
        from onethinker_eval.files import write_atomic

        write_atomic(Path(to), text)
    else:
        typer.echo(text, nl=False)
