"""`demo make`, `data check`, `data where`: data without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["check", "demo_make", "where"]


def demo_make(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same files.")] = 0,
) -> None:
    """Write the demo suite into DIR."""
    raise NotImplementedError


def check() -> None:
    """Verify benchmark data without a model."""
    raise NotImplementedError


def where() -> None:
    """Say where to get each benchmark and under what licence."""
    raise NotImplementedError
