"""`demo make`, `data check`, `data where`: data without a model."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker_eval.cli.catalogue_commands import IncludePath, JsonFlag, data_root
from onethinker_eval.cli.terminal import Terminal, plain_table
from onethinker_eval.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from onethinker_eval.readers.check import Report
    from onethinker_eval.readers.where import Origin

__all__ = ["check", "demo_make", "where"]

_DECODE = ("sample", "full", "none")
_SHOWN_PER_KIND = 3

Tasks = Annotated[str, typer.Option("--tasks", metavar="A,B,…", help="Which benchmarks.")]


def demo_make(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder to write into.")],
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Same seed, same files.")] = "0",
    split: Annotated[
        str,
        typer.Option("--split", metavar="eval|train", help="Scenes of the two never overlap."),
    ] = "eval",
    benchmarks: Annotated[
        str | None, typer.Option("--tasks", metavar="A,B", help="Only these benchmarks.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Size of all media in pixels.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tracebacks of errors.")] = False,
) -> None:
    """Write the demo suite into DIR: records in the benchmarks' own schemas, PNG and MP4."""
    if not seed.isdigit():
        raise UsageError(f"--seed must be a whole number, found {seed!r}")
    from onethinker_eval import demo
    from onethinker_eval.benchmarks import resolve

    terminal = Terminal(quiet=quiet, verbose=verbose)
    names = None
    if benchmarks:
        names = list(dict.fromkeys(task.benchmark for task in resolve(benchmarks)))
    made = demo.make(
        folder,
        seed=int(seed),
        split=split,
        benchmarks=names,
        size=_size(size),
        progress=lambda done, total, label: terminal.say(f"{done}/{total} {label}"),
    )
    terminal.say(f"made in {made}; use it with --data {made}")


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    if match is None:
        raise UsageError(f"--size must be WIDTHxHEIGHT, e.g. 320x240, found {text!r}")
    return int(match[1]), int(match[2])


def check(
    tasks: Tasks = "all",
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="demo|PATH|hub", help="What to check ($ONETHINKER_DATA)."),
    ] = None,
    decode: Annotated[
        str,
        typer.Option(
            "--decode",
            metavar="sample|full|none",
            help="Of videos: three frames, every frame, or only that the file is there.",
        ),
    ] = "sample",
    include_path: IncludePath = None,
    as_json: JsonFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Every finding.")] = False,
) -> None:
    """Verify data without a model: counts, media, boxes, spans, masks, truths."""
    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.readers.check import check as check_data

    root = data_root(data)
    if not root:
        raise UsageError("no data named", hint="--data FOLDER (or $ONETHINKER_DATA) or --data demo")
    if decode not in _DECODE:
        raise unknown_name("value of --decode", decode, _DECODE)
    terminal = Terminal(quiet=quiet, verbose=verbose)
    report = check_data(resolve(tasks, include_path or ()), root, decode=decode)
    if as_json:
        print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print_report(report, terminal)
    raise typer.Exit(report.exit_code)


def _print_report(report: Report, terminal: Terminal) -> None:
    headings = ("task", "records", "expected", "media", "errors", "warnings", "fingerprint")
    table = plain_table(*headings, right=headings[1:-1])
    for task in report.tasks:
        expected = "?" if task.expected is None else str(task.expected)
        counts = (str(task.records), expected, str(task.media))
        table.add_row(task.task, *counts, str(task.errors), str(task.warnings), task.fingerprint)
    terminal.console().print(table)
    shown: Counter[tuple[str, str]] = Counter()
    hidden: Counter[tuple[str, str]] = Counter()
    for finding in report.findings:
        place = (finding.task, finding.kind)
        if shown[place] == _SHOWN_PER_KIND and not terminal.verbose:
            hidden[place] += 1
            continue
        shown[place] += 1
        where = ", ".join(text for text in (finding.file, finding.record) if text)
        message = finding.message.removeprefix(f"{finding.task}: ")
        about = f"{finding.task}: {finding.kind}: {message}"
        print(f"{finding.severity}: {about}" + (f" ({where})" if where else ""))
    for (name, kind), count in hidden.items():
        print(f"{name}: {kind}: {count} more (--verbose or --json shows all)")


def where(
    tasks: Tasks = "all", include_path: IncludePath = None, as_json: JsonFlag = False
) -> None:
    """Say where to get each benchmark, where to put it, and under what licence."""
    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.readers.where import where as origins_of

    origins = origins_of(resolve(tasks, include_path or ()))
    if as_json:
        print(json.dumps([origin.to_json() for origin in origins], indent=2, ensure_ascii=False))
        return
    for origin in origins:
        _print_origin(origin)


def _print_origin(origin: Origin) -> None:
    size = "size unknown" if origin.expected is None else f"{origin.expected:,} records"
    print(f"{origin.task}: {origin.title}, {size}")
    print(f"  licence {origin.licence or 'not stated'}; {origin.homepage}")
    for place in origin.places:
        to = " or ".join(place.put)
        target = f"put as {to}" if to else "read by --data hub"
        media = f"; media in {', '.join(place.media)}" if place.media else ""
        print(f"  {place.what}: {place.address}")
        print(f"    {target}{media}")
    for caveat in origin.caveats:
        print(f"  note: {caveat}")
    print()
