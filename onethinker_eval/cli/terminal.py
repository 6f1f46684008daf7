"""What goes to the terminal: messages on stderr, results on stdout, nothing else."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Terminal", "error_line", "plain_table"]

_PACKAGE = Path(__file__).resolve().parent.parent


class Terminal:
    """How much is said, and where: `say` for people (stderr), `console` for tables (stdout)."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        """Say nothing but warnings and errors if `quiet`."""
        self.quiet = quiet
        self.verbose = verbose

    def say(self, message: str) -> None:
        """Write a line for people to stderr, unless quiet."""
        if not self.quiet:
            print(message, file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """Write a warning to stderr, quiet or not: it may change what a number means."""
        print(_styled("warning: ", "33", sys.stderr) + message, file=sys.stderr, flush=True)

    def console(self, stream: TextIO | None = None) -> Console:
        """Return a rich console on stdout (or `stream`), wide when it is not a terminal."""
        from rich.console import Console

        target = stream or sys.stdout
        fixed = target.isatty() or "COLUMNS" in os.environ
        return Console(file=target, width=None if fixed else 160, highlight=False)

    def show_own_warnings(self) -> None:
        """Print the package's warnings as one line each; leave those of libraries to them."""
        usual = warnings.showwarning

        def showwarning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if file is None and Path(filename).is_relative_to(_PACKAGE):
                self.warn(" ".join(str(message).split()))
            elif self.verbose or file is not None:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = showwarning


def plain_table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """Return a table without lines; the columns named in `right` are set to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    return table


def error_line(message: str) -> str:
    """Return the one line an error is printed as."""
    return _styled("error: ", "31;1", sys.stderr) + message


def _styled(text: str, code: str, stream: TextIO) -> str:
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
