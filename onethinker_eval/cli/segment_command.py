"""`segment`: masks for the stored replies of a run, then its scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker_eval.cli.run_commands import Output, Verbose
from onethinker_eval.cli.terminal import Terminal

if TYPE_CHECKING:
    from onethinker_eval.benchmarks import Task

__all__ = ["segment", "segmentation_tasks"]


def segment(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.")],
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="NAME[:FILE]",
            help="sam2[:CHECKPOINT][,config=NAME] or grabcut (default: that of the run).",
        ),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", metavar="A,B,…", help="Only these.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="P,…", help="Only these (default: those of the run)."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="cpu|cuda[:N]", help="Where the segmenter runs."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make all masks anew, whoever made the stored ones.")
    ] = False,
    output: Output = "results",
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors and the table.")] = False,
    verbose: Verbose = False,
) -> None:
    """Make the masks of a run's stored replies, score them, and say what changed."""
    from onethinker_eval.cli.evaluate_command import check_protocols, words
    from onethinker_eval.cli.progress import ProgressView
    from onethinker_eval.errors import UsageError
    from onethinker_eval.harness.environment import distributed_rank
    from onethinker_eval.reporting import find_run, read_manifest
    from onethinker_eval.segmentation.choice import NONE, check_segmenter

    terminal = Terminal(quiet=quiet or distributed_rank() > 0, verbose=verbose)
    terminal.show_own_warnings()
    folder = find_run(run, output)
    manifest = read_manifest(folder)
    settings: dict[str, Any] = manifest.get("settings") or {}
    protocols = words(protocol) or tuple(settings.get("protocols") or ())
    check_protocols(protocols)
    name = segmenter or _usual_segmenter(folder, manifest)
    if check_segmenter(name)[0] == NONE:
        raise UsageError("--segmenter none makes no masks", hint="name grabcut or sam2")
    wanted = segmentation_tasks(folder, tasks)
    with ProgressView(terminal) as view:
        code = _segment(folder, wanted, name, protocols, device, replace, view)
    if distributed_rank() == 0:
        code = max(code, _score(folder, manifest, terminal))
    raise typer.Exit(code)


def _usual_segmenter(folder: Path, manifest: dict[str, Any]) -> str:
    """Return the segmenter of the run's command, or of the demo suite."""
    from onethinker_eval.errors import UsageError
    from onethinker_eval.segmentation.choice import DEMO_SEGMENTER, NONE

    named = str((manifest.get("settings") or {}).get("segmenter") or "")
    if named and named != NONE:
        return named
    if manifest.get("demo"):
        return DEMO_SEGMENTER
    raise UsageError(
        f"{folder} names no segmenter", hint="--segmenter sam2:CHECKPOINT, or grabcut for a look"
    )


def segmentation_tasks(folder: Path, names: str | None) -> list[Task]:
    """Return the tasks among `names` (all without) that a run has replies of and masks decide.

    Raises `UsageError` if there is none.
    """
    from onethinker_eval.benchmarks import catalogue, resolve
    from onethinker_eval.errors import UsageError
    from onethinker_eval.reporting import read_manifest
    from onethinker_eval.rescoring.journals import stored_tasks
    from onethinker_eval.segmentation.stage import is_segmentation

    settings = read_manifest(folder).get("settings") or {}
    include_path = tuple(settings.get("include_path") or ())
    stored = set(stored_tasks(folder))
    known = resolve(names, include_path) if names else catalogue(include_path).tasks.values()
    found = [task for task in known if task.id in stored and is_segmentation(task)]
    if not found:
        raise UsageError(
            f"{folder} holds no replies of a task that is scored on masks",
            hint="those are refcoco_seg, refcoco+_seg, refcocog_seg, mevis and reasonvos",
        )
    return found


def _segment(
    folder: Path,
    tasks: list[Task],
    segmenter: str,
    protocols: tuple[str, ...],
    device: str | None,
    replace: bool,
    view: Any,
) -> int:
    from contextlib import nullcontext

    from onethinker_eval.files import FolderLock
    from onethinker_eval.harness.environment import distributed_rank
    from onethinker_eval.harness.segmenting import ready_segmenter, segment_tasks

    with FolderLock(folder) if distributed_rank() == 0 else nullcontext():
        outcome = segment_tasks(
            folder,
            tasks,
            ready_segmenter(folder, tasks, segmenter, device=device, replace=replace),
            protocols=protocols,
            replace=replace,
            progress=view,
        )
    view.note(f"{outcome.made} samples segmented, {outcome.kept} kept, {outcome.failed} failed")
    for message in outcome.failures[:5]:
        view.note(f"  {message}")
    return 1 if outcome.failed else 0


def _score(folder: Path, manifest: dict[str, Any], terminal: Terminal) -> int:
    """Score the run again and print its numbers; return the exit code."""
    from onethinker_eval.cli.summary import mask_notes, print_metrics
    from onethinker_eval.files import FolderLock
    from onethinker_eval.reporting import write_leaderboards
    from onethinker_eval.rescoring import rescore

    settings = manifest.get("settings") or {}
    protocols = tuple(settings.get("protocols") or ())
    with FolderLock(folder):
        result = rescore(
            folder,
            protocols=protocols,
            seed=int(manifest["identity"].get("seed", 0)),
            include_path=tuple(settings.get("include_path") or ()),
        )
        write_leaderboards(folder, result.rows)
    for line in result.metric_changes:
        terminal.say(f"  {line}")
    print_metrics(
        result.rows,
        terminal,
        protocol=protocols[0] if protocols else "paper",
        demo=bool(manifest.get("demo")),
    )
    for line in mask_notes(folder):
        terminal.say(line)
    if result.failed:
        terminal.warn(f"{result.failed} samples have no score: the run is not complete")
    return 1 if result.failed else 0
