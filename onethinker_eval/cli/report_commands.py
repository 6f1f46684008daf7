"""`report`, `compare` and `watch`: looking at runs, finished or under way."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker_eval.cli.terminal import Terminal, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from onethinker_eval.reporting.compare import Comparison, TaskComparison
    from onethinker_eval.reporting.watch import Look

__all__ = ["compare", "report", "watch"]

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
            with suppress(KeyboardInterrupt):
                server.serve_forever()


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Run folder, or its name.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The run to compare with it.")],
    protocol: Annotated[
        str, typer.Option("--protocol", metavar="P", help="paper, official or repaired.")
    ] = "paper",
    form: Annotated[
        str, typer.Option("--format", metavar="table|json", help="How to print it.")
    ] = "table",
    flips: Annotated[
        int, typer.Option("--flips", metavar="N", help="Name N flipped samples a benchmark.")
    ] = 5,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the bootstrap.")] = 0,
    output: Annotated[
        str, typer.Option("--output", metavar="DIR", help="Where run names are looked up.")
    ] = "results",
    verbose: Verbose = False,
) -> None:
    """Compare two runs on the same samples: is the difference more than chance?"""
    from onethinker_eval.errors import unknown_name
    from onethinker_eval.reporting import find_run
    from onethinker_eval.reporting.compare import compare_runs
    from onethinker_eval.scoring.result import PROTOCOLS

    if form not in ("table", "json"):
        raise unknown_name("format", form, ("table", "json"))
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    terminal = Terminal(verbose=verbose)
    terminal.show_own_warnings()
    folders = (find_run(first, output), find_run(second, output))
    found = compare_runs(*folders, protocol=protocol, seed=seed)
    if form == "json":
        typer.echo(_as_json(found))
        return
    terminal.console().print(_comparison_table(found))
    typer.echo(
        "Difference: second minus first in percentage points, with its 95 % interval (paired "
        "bootstrap over images or videos).\nHolm: p-value adjusted over the benchmarks."
    )
    _print_flips(found.tasks, flips)
    if found.differences:
        typer.echo("\nThe manifests differ in:")
        for line in found.differences:
            typer.echo(f"  {line}")
    if found.missing:
        typer.echo(f"\nIn one run only: {', '.join(found.missing)}")


def _as_json(found: Comparison) -> str:
    import json
    from dataclasses import asdict

    content: dict[str, Any] = asdict(found)
    for task, item in zip(content["tasks"], found.tasks, strict=True):
        task["paired"] = None if item.paired is None else item.paired._asdict()
        task["mcnemar"] = None if item.mcnemar is None else item.mcnemar._asdict()
        task["verdict"] = item.verdict
    return json.dumps(content, indent=2, ensure_ascii=False)


def _comparison_table(found: Comparison) -> Table:
    tests = ("difference", "95 % interval", "p", "Holm", "McNemar")
    numbers = ("n", *found.names, *tests, "wins", "losses", "ties")
    table = plain_table("benchmark", "split", "metric", *numbers, "verdict", right=numbers)
    for item in found.tasks:
        paired, test = item.paired, item.mcnemar
        table.add_row(
            item.benchmark,
            item.split,
            item.metric,
            str(item.n),
            _percent(item.first),
            _percent(item.second),
            "" if paired is None else f"{paired.difference:+.1f}",
            "" if paired is None else f"{paired.low:+.1f} to {paired.high:+.1f}",
            "" if paired is None else f"{paired.p_value:.3f}",
            "" if item.adjusted is None else f"{item.adjusted:.3f}",
            "" if test is None else f"{test.mid_p:.3f}",
            *(str(count) for count in (item.wins, item.losses, item.ties)),
            item.verdict,
        )
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _print_flips(tasks: tuple[TaskComparison, ...], most: int) -> None:
    flipped = [item for item in tasks if item.flips]
    if most <= 0 or not flipped:
        return
    typer.echo("\nSamples that flipped:")
    for item in flipped:
        for won, word in ((True, "won"), (False, "lost")):
            names = [flip.id for flip in item.flips if (flip.second > flip.first) is won]
            if names:
                more = f" and {len(names) - most} more" if len(names) > most else ""
                place = f"{item.benchmark} {item.split}".strip()
                typer.echo(f"  {place}, {word} {len(names)}: {', '.join(names[:most])}{more}")


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.")],
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="S", help="Seconds between two looks.")
    ] = 2.0,
    protocol: Annotated[
        str, typer.Option("--protocol", metavar="P", help="paper, official or repaired.")
    ] = "paper",
    output: Annotated[
        str, typer.Option("--output", metavar="DIR", help="Where run names are looked up.")
    ] = "results",
    verbose: Verbose = False,
) -> None:
    """Show a run under way: samples done, time left, and the means so far."""
    import sys
    import time

    from onethinker_eval.errors import UsageError, unknown_name
    from onethinker_eval.reporting import find_run
    from onethinker_eval.reporting.watch import Watch
    from onethinker_eval.scoring.result import PROTOCOLS

    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if every < 0.1:
        raise UsageError(f"--every must be 0.1 seconds or more, got {every}")
    terminal = Terminal(verbose=verbose)
    terminal.show_own_warnings()
    watched = Watch(find_run(run, output), protocol=protocol)
    console = terminal.console()
    if once or not sys.stdout.isatty():
        look = watched.look()
        while look.behind or (look.running and not once):
            if not look.behind:
                terminal.say(_progress(look))
                time.sleep(max(every, 10.0))
            look = watched.look()
        console.print(_watch_table(look))
        typer.echo(_progress(look))
        return
    from rich.console import Group
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            look = watched.look()
            live.update(Group(_watch_table(look), _progress(look)), refresh=True)
            if not look.running and not look.behind:
                return
            time.sleep(0.05 if look.behind else every)


def _watch_table(look: Look) -> Table:
    numbers = ("done", "of", "so far", "unparsable", "failed")
    table = plain_table("benchmark", "split", "metric", *numbers, right=numbers)
    for item in look.tasks:
        table.add_row(
            item.benchmark,
            item.split,
            item.metric,
            str(item.done),
            "?" if item.total is None else str(item.total),
            _percent(item.value),
            str(item.unparsable),
            str(item.failed),
        )
    return table


def _progress(look: Look) -> str:
    from onethinker_eval.cli.progress import duration

    parts = [f"{look.done} of {'?' if look.total is None else look.total} samples"]
    if look.rate:
        parts.append(f"{look.rate:.1f}/s")
    if look.seconds_left is not None and look.running:
        parts.append(f"{duration(look.seconds_left)} left")
    if not look.running:
        whole = look.total is not None and look.done >= look.total
        parts.append("finished" if whole else "stopped; the same command resumes it")
    return ", ".join(parts)
