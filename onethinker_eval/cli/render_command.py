"""`render`: pictures and clips of what was segmented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker_eval.cli.run_commands import Output, Verbose
from onethinker_eval.cli.terminal import Terminal

__all__ = ["render"]


def render(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.")],
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="A benchmark scored on masks.")
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option("--sample", metavar="ID", help="This sample; may be repeated."),
    ] = None,
    worst: Annotated[
        str | None, typer.Option("--worst", metavar="N", help="The N with the lowest score.")
    ] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", metavar="P", help="Whose prompts, masks and scores.")
    ] = "paper",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DIR", help="Where to (default: RUN/pictures)."),
    ] = None,
    output: Output = "results",
    verbose: Verbose = False,
) -> None:
    """Draw predicted and true masks, boxes and points: a PNG a sample, an MP4 for videos."""
    from onethinker_eval.cli.evaluate_command import check_protocols
    from onethinker_eval.errors import UsageError
    from onethinker_eval.reporting import find_run
    from onethinker_eval.segmentation import pictures

    if not task or not (sample or worst):
        raise UsageError(
            "render needs --task and --sample or --worst",
            hint="e.g. render RUN --task mevis --worst 5",
        )
    if worst is not None and (not worst.isdigit() or int(worst) < 1):
        raise UsageError(f"--worst must be a whole number of at least 1, found {worst!r}")
    check_protocols((protocol,))
    Terminal(verbose=verbose).show_own_warnings()
    folder = find_run(run, output)
    name = _task(folder, task)
    wanted = list(sample or ())
    if worst is not None:
        wanted += pictures.worst(folder, name, int(worst), protocol)
    for each in dict.fromkeys(wanted):
        target = Path(to) if to else folder / "pictures"
        for path in pictures.render(folder, name, each, target, protocol=protocol):
            typer.echo(str(path))


def _task(folder: Path, task: str) -> str:
    """Return the id of the one task with masks that is meant."""
    from onethinker_eval.cli.segment_command import segmentation_tasks
    from onethinker_eval.errors import UsageError

    found = segmentation_tasks(folder, task)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise UsageError(f"--task {task} means {names}", hint="name one of them")
    return found[0].id
