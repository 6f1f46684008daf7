"""A leaderboard as CSV, Markdown, LaTeX or HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence

from onethinker_eval.reporting.averages import averages
from onethinker_eval.reporting.board import Board, Row
from onethinker_eval.reporting.sections import (
    Section,
    lines_of_signatures,
    notes,
    sections,
    shared_signature,
)

__all__ = [
    "FORMATS",
    "html_page",
    "latex_table",
    "markdown_table",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
]

_LEAD = ("model", "run", "source", "protocol")


def to_csv(board: Board) -> str:
    """Return the wide table: a row per model, all of the paper's columns, means, remarks.

    Empty cells are absent values. `source` is `run`, `demo` or `published`.
    """
    keys = [key for _, key in board.columns]
    names = [average.name for average in averages()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [*_LEAD, *(key.label for key in keys), *(f"mean {name}" for name in names)]
    writer.writerow([*header, "partial", "signature"])
    for row in board.rows:
        means = row.means()
        cells = [row.cells[key].value if key in row.cells else None for key in keys]
        numbers = [_decimal(value) for value in (*cells, *(means.get(name) for name in names))]
        lead = [_harmless(text) for text in (row.model, row.run, row.source, row.protocol)]
        writer.writerow([*lead, *numbers, "; ".join(row.partial()), _signature(row)])
    return text.getvalue()


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _signature(row: Row) -> str:
    return str(shared_signature(row)) if row.signatures else ""


def to_markdown(board: Board) -> str:
    """Return the board as Markdown tables, notes and signatures."""
    parts = ["# Leaderboard", *(markdown_table(section) for section in sections(board))]
    parts.append("\n".join(f"- {_cell(note)}" for note in notes(board)))
    signatures = lines_of_signatures(board)
    if signatures:
        parts.append("\n".join(["## Signatures", "", "```", *signatures, "```"]))
    return "\n\n".join(parts) + "\n"


def markdown_table(section: Section) -> str:
    """Return one table under its title."""
    columns = len(section.headings)
    lines = [f"## {section.title}", "", _line(section.headings)]
    lines.append("|" + "|".join([" :-- ", *[" --: "] * (columns - 1)]) + "|")
    lines += [_line(row) for row in section.rows]
    return "\n".join(lines)


def _line(texts: tuple[str, ...]) -> str:
    return "| " + " | ".join(_cell(text) for text in texts) + " |"


def _cell(text: str) -> str:
    """Keep a name from ending a cell or starting markup."""
    plain = " ".join(text.split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}


def to_latex(board: Board) -> str:
    """Return booktabs tables, one per section; notes and signatures are comments."""
    parts = [latex_table(section) for section in sections(board)]
    comments = [*notes(board), *lines_of_signatures(board)]
    parts.append("\n".join(f"% {' '.join(text.split())}" for text in comments))
    return "\n\n".join(parts) + "\n"


def latex_table(section: Section) -> str:
    """Return one booktabs table; its title is a comment."""
    rows = [_latex_line(row) for row in section.rows]
    if 0 < section.rule_after < len(rows):
        rows.insert(section.rule_after, r"\midrule")
    return "\n".join(
        [
            f"% {section.title}",
            rf"\begin{{tabular}}{{l{'r' * (len(section.headings) - 1)}}}",
            r"\toprule",
            _latex_line(section.headings),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _latex_line(texts: tuple[str, ...]) -> str:
    escaped = ("".join(_LATEX.get(char, char) for char in " ".join(t.split())) for t in texts)
    return " & ".join(escaped) + r" \\"


_STYLE = """:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .8rem;text-align:right;white-space:nowrap;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}tr.rule td{border-bottom:2px solid #888}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px}"""


def to_html(board: Board) -> str:
    """Return one self-contained page; every text is escaped."""
    signed = html.escape("\n".join(lines_of_signatures(board)))
    tail = f"<h2>Signatures</h2><pre>{signed}</pre>" if signed else ""
    return html_page("Leaderboard", sections(board), notes(board), tail)


def html_page(
    title: str, tables: Sequence[Section], remarks: Sequence[str] = (), tail: str = ""
) -> str:
    """Return a self-contained page of `tables` and `remarks`; `tail` is HTML, the rest text."""
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in remarks)
    body = "".join(_html_table(section) for section in tables)
    body += f"<ul>{listed}</ul>" if listed else ""
    named = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{named}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{named}</h1>\n{body}\n{tail}</body></html>\n"
    )


def _html_table(section: Section) -> str:
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in section.headings)
    lines = []
    for number, row in enumerate(section.rows, start=1):
        rule = ' class="rule"' if number == section.rule_after else ""
        cells = "".join(f"<td>{html.escape(text)}</td>" for text in row)
        lines.append(f"<tr{rule}>{cells}</tr>\n")
    title = html.escape(section.title)
    body = "".join(lines)
    return (
        f'<h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


FORMATS: dict[str, Callable[[Board], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "latex": to_latex,
    "html": to_html,
}
"""What `leaderboard --format` accepts."""
