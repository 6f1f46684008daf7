"""`report`, `compare` and `watch`: looking at runs, finished or under way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker_eval.cli.terminal import Terminal

__all__ = ["report"]

Output = Annotated[
    str, typer.Option("--results", metavar="DIR", help="Where run names are looked up.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only errors and results.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Tracebacks of errors.")]


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN [RUN2]", help="Run folders, or their names.")
    ],
    to: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="The file (default: RUN/report.html)."),
    ] = None,
    media: Annotated[
        str,
        typer.Option(
            "--media",
            metavar="auto|embed|copy|link|none",
            help="Images and videos: in the file, beside it, where they lie, or not at all.",
        ),
    ] = "auto",
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on 127.0.0.1 until interrupted.")
    ] = False,
    port: Annotated[int, typer.Option("--port", metavar="N", help="0: any free one.")] = 0,
    results: Output = "results",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write one HTML file with leaderboard, plots and all samples; two runs stand side by side."""
    from onethinker_eval.errors import UsageError
    from onethinker_eval.reporting import find_run
    from onethinker_eval.reporting.html import build_report
    from onethinker_eval.reporting.html import serve as start

    if len(runs) > 2:
        raise UsageError(f"a report is of one or two runs, got {len(runs)}")
    terminal = Terminal(quiet=quiet, verbose=verbose)
    terminal.show_own_warnings()
    made = build_report(
        [find_run(name, results) for name in runs],
        Path(to) if to else None,
        media=media,
        progress=lambda task, count: terminal.say(f"{task.removeprefix('onethinker_')}: {count}"),
    )
    size = f"{made.bytes / 1e6:.1f} MB"
    terminal.say(f"{made.samples} samples, media: {made.media}, {size}")
    typer.echo(made.path)
    if serve:
        with start(made, port) as server:
            typer.echo(server.url)
            terminal.say("Ctrl-C ends it")
            server.serve_forever()
