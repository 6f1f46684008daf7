"""The costs of a run on disk: `costs/<session>.json`, and the table made from them for `run.json`.

Each process writes a file of its own for each session, again every half minute, so a kill loses
little and processes never wait for each other. What the run cost is the sum of the files.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError, RunError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.harness.costs import Cost, meter, parse_price

__all__ = ["COLUMNS", "cost_table", "read_costs", "saved_costs"]

SAVE_EVERY_S = 30.0

COLUMNS = (
    *("samples", "failed", "tokens_in", "tokens_out", "wall_s", "samples_per_s", "decode_s"),
    *("engine_s", "idle_s", "idle_share", "gpu_peak_bytes", "price"),
)
"""What the table says of each benchmark."""


@contextmanager
def saved_costs(folder: Path, rank: int = 0) -> Iterator[None]:
    """Keep what the process's meter counts, from nothing on, in a file of the run `folder`."""
    meter().clear()
    started = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    path = folder / "costs" / f"{started}-{os.getpid()}.rank{rank}.json"
    ended = threading.Event()

    def save_now_and_then() -> None:
        while not ended.wait(SAVE_EVERY_S):
            # A full disk is told by the journal, which cannot do without.
            with suppress(RunError):
                _save(path)

    thread = threading.Thread(target=save_now_and_then, name="costs", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        with suppress(RunError):
            _save(path)
        raise
    else:
        _save(path)
    finally:
        ended.set()
        thread.join()


def _save(path: Path) -> None:
    costs = {task: cost.to_json() for task, cost in meter().snapshot().items() if task}
    if costs:
        write_json_atomic(path, costs)


def read_costs(folder: Path) -> dict[str, Cost]:
    """Return what each task of a run has cost, all sessions and processes together.

    Raises `DataError` naming a file that is not of this kind.
    """
    found: dict[str, Cost] = {}
    for path in sorted((folder / "costs").glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
            for task, values in content.items():
                found[task] = found.get(task, Cost()) + Cost.from_json(values)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DataError(
                f"not a file of costs ({error})", file=str(path), fix="delete it"
            ) from error
    return found


def cost_table(costs: Mapping[str, Cost], price: str = "") -> dict[str, dict[str, Any]]:
    """Return the row of each task and of all together ("all"), with what follows from the sums.

    `samples_per_s` is the rate of one process. `price` is what an endpoint charged, else what the
    option of that name makes of tokens and hours, else None.

    >>> table = cost_table({"onethinker_x": Cost(samples=30, wall_s=60.0, idle_s=1, engine_s=9)})
    >>> table["onethinker_x"]["samples_per_s"], table["all"]["idle_share"]
    (0.5, 0.1)
    """
    rates = parse_price(price)
    rows = {task: _row(cost, rates) for task, cost in sorted(costs.items())}
    if costs:
        whole = sum(costs.values(), Cost())
        rows["all"] = _row(whole, rates)
    return rows


def _row(cost: Cost, rates: Mapping[str, float]) -> dict[str, Any]:
    row = cost.to_json()
    row["samples_per_s"] = round(cost.samples / cost.wall_s, 4) if cost.wall_s > 0 else None
    share = cost.idle_share
    row["idle_share"] = None if share is None else round(share, 4)
    if not cost.counted:
        row["tokens_in"] = row["tokens_out"] = None
    if cost.price is None and rates:
        spent = cost.tokens_in * rates.get("in", 0.0) + cost.tokens_out * rates.get("out", 0.0)
        row["price"] = round(spent / 1e6 + cost.wall_s / 3600 * rates.get("gpu_hour", 0.0), 6)
    if not cost.engine_s + cost.idle_s:
        row["engine_s"] = row["idle_s"] = None
    return {name: row[name] for name in COLUMNS}
