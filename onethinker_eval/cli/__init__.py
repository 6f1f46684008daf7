"""The command line: options, progress and tables; the work is done elsewhere.

Every module here imports at load time only what `--help` and `tasks` need. What is heavy
(torch, lmms_eval, transformers, pandas) is imported by the functions that need it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 (all scored), 1 (something failed) or 2 (wrong use)."""
    from onethinker_eval.cli.app import run

    return run(argv)
