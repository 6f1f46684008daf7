"""Leaderboards: metric tables, the paper's numbers beside them, and signatures."""

from __future__ import annotations

from onethinker_eval.reporting.board import Board, Cell, Difference, Row, build_board, difference
from onethinker_eval.reporting.published import Key, PublishedCell, published, values_of
from onethinker_eval.reporting.rendering import FORMATS, to_csv, to_html, to_latex, to_markdown
from onethinker_eval.reporting.runs import find_run, read_manifest, read_run, write_leaderboards
from onethinker_eval.reporting.signature import Signature, compare, parse_signature

__all__ = [
    "FORMATS",
    "Board",
    "Cell",
    "Difference",
    "Key",
    "PublishedCell",
    "Row",
    "Signature",
    "build_board",
    "compare",
    "difference",
    "find_run",
    "parse_signature",
    "published",
    "read_manifest",
    "read_run",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "values_of",
    "write_leaderboards",
]
