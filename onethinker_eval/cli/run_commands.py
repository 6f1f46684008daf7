"""`score` and `leaderboard`: what can be done with finished replies, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker_eval.cli.terminal import Terminal

__all__ = ["leaderboard", "score"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or their names.")]


def score(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or its name.")],
) -> None:
    """Score the stored replies of a run again and say what changed."""
    raise NotImplementedError


def leaderboard(
    runs: Runs,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Add the paper's rows and differences.")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", metavar="csv|md|latex|html", help="How to print it.")
    ] = "md",
) -> None:
    """Print one row per run in the paper's columns."""
    raise NotImplementedError
