"""`costs`: what runs have cost, benchmark by benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from onethinker_eval.cli.catalogue_commands import JsonFlag
from onethinker_eval.cli.progress import duration
from onethinker_eval.cli.run_commands import Output, Verbose
from onethinker_eval.cli.terminal import Terminal, plain_table

__all__ = ["costs", "print_costs"]

_HEADINGS = (
    *("benchmark", "samples", "tokens in", "tokens out", "time", "samples/s", "decoding"),
    *("engine idle", "GPU peak", "price"),
)


def costs(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, or their names.")
    ],
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="K=V,…", help="in=, out= (a million tokens), gpu_hour=."),
    ] = None,
    as_json: JsonFlag = False,
    output: Output = "results",
    verbose: Verbose = False,
) -> None:
    """Print tokens, time, rate, decoding, idle share, GPU memory and price of runs."""
    from onethinker_eval.harness.cost_files import cost_table, read_costs
    from onethinker_eval.reporting import find_run, read_manifest

    terminal = Terminal(verbose=verbose)
    tables = {}
    for name in runs:
        folder = find_run(name, output)
        settings = read_manifest(folder).get("settings") or {}
        given = settings.get("price", "") if price is None else price
        tables[folder.name] = cost_table(read_costs(folder), given)
    if as_json:
        print(json.dumps(tables, indent=2, ensure_ascii=False))
        return
    for name, table in tables.items():
        if len(tables) > 1:
            print(name)
        print_costs(table, terminal)


def print_costs(table: Mapping[str, Mapping[str, Any]], terminal: Terminal) -> None:
    """Print a table of `cost_table`; times are sums over processes, rates are of one."""
    shown = plain_table(*_HEADINGS, right=_HEADINGS[1:])
    for task, row in table.items():
        shown.add_row(
            task.removeprefix("onethinker_"),
            f"{row['samples']:,}" + (f" + {row['failed']} failed" if row["failed"] else ""),
            _count(row["tokens_in"]),
            _count(row["tokens_out"]),
            duration(row["wall_s"]),
            "" if row["samples_per_s"] is None else f"{row['samples_per_s']:.2f}",
            duration(row["decode_s"]),
            "" if row["idle_share"] is None else f"{100 * row['idle_share']:.1f} %",
            "" if row["gpu_peak_bytes"] is None else f"{row['gpu_peak_bytes'] / 2**30:.1f} GiB",
            "" if row["price"] is None else f"{row['price']:.2f}",
        )
    terminal.console().print(shown)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
