"""`merge`: the shards of a run put together, and scored as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker_eval.cli.run_commands import Verbose
from onethinker_eval.cli.terminal import Terminal

__all__ = ["merge"]


def merge(
    shards: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="The folders of all shards.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", metavar="RUN", help="Folder to make (default: beside the shards)."
        ),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="No report.html.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors and the table.")] = False,
    verbose: Verbose = False,
) -> None:
    """Make one run of all its shards (`--shard i/n`), as if one process had made it."""
    from onethinker_eval.cli.summary import print_metrics
    from onethinker_eval.errors import UsageError
    from onethinker_eval.harness.results import write_report
    from onethinker_eval.harness.shard_merging import merge_shards
    from onethinker_eval.reporting import read_manifest, write_leaderboards
    from onethinker_eval.rescoring import rescore

    terminal = Terminal(quiet=quiet, verbose=verbose)
    terminal.show_own_warnings()
    folders = [Path(name).expanduser() for name in shards]
    name, found, _ = folders[0].resolve().name.partition(".shard-")
    if output is None and not found:
        raise UsageError("--output not given", hint="name the run folder to make")
    target = Path(output) if output is not None else folders[0].resolve().parent / name
    made = merge_shards(folders, target)
    manifest = read_manifest(made)
    settings = manifest["settings"]
    protocols = tuple(settings.get("protocols") or ())
    result = rescore(
        made,
        protocols=protocols,
        seed=int(manifest["identity"]["seed"]),
        include_path=tuple(settings.get("include_path") or ()),
    )
    write_leaderboards(made, result.rows)
    if not no_report:
        message = write_report(made)
        if message:
            terminal.say(message)
    print_metrics(
        result.rows,
        terminal,
        protocol=protocols[0] if protocols else "paper",
        demo=bool(manifest.get("demo")),
    )
    if result.failed:
        terminal.warn(f"{result.failed} samples have no score: the run is not complete")
    terminal.say(f"{len(folders)} shards merged; results in {made}")
    raise typer.Exit(1 if result.failed else 0)
