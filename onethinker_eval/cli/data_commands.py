"""`demo make`, `data check`, `data where`: data without a model."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from onethinker_eval.cli.terminal import Terminal
from onethinker_eval.errors import UsageError

__all__ = ["demo_make"]


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
