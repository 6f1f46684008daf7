"""A row of the manifest's costs in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["cost_facts", "cost_line"]


def cost_facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return a line of costs for each task of a run and for all, where the manifest has them."""
    table = manifest.get("costs") or {}
    return {
        f"cost of {task.removeprefix('onethinker_')}": cost_line(row)
        for task, row in table.items()
        if isinstance(row, Mapping)
    }


def cost_line(row: Mapping[str, Any]) -> str:
    """Return what is known of the cost in one line; what is not known is left out.

    >>> cost_line({"samples": 8, "wall_s": 4.0, "samples_per_s": 2.0, "tokens_out": 512})
    '8 samples in 4.0 s, 2.00 a second and process, 512 tokens written'
    """
    parts = [f"{row.get('samples', 0):,} samples in {row.get('wall_s', 0.0):,.1f} s"]
    shapes = (
        ("samples_per_s", "{:.2f} a second and process"),
        ("tokens_in", "{:,} tokens read"),
        ("tokens_out", "{:,} tokens written"),
        ("decode_s", "{:,.1f} s of decoding"),
    )
    parts += [form.format(row[name]) for name, form in shapes if row.get(name)]
    if row.get("idle_share") is not None:
        parts.append(f"engine idle {100 * row['idle_share']:.1f} %")
    if row.get("gpu_peak_bytes"):
        parts.append(f"GPU memory peak {row['gpu_peak_bytes'] / 2**30:.1f} GiB")
    if row.get("price") is not None:
        parts.append(f"price {row['price']:.2f}")
    return ", ".join(parts)
