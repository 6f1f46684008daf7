"""Waiting for the other processes of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

__all__ = ["wait_for_all"]

_LONGEST = timedelta(days=7)  # processes may have unequal shares of long videos
_groups: list[Any] = []


def wait_for_all(world: int) -> None:
    """Return when all `world` processes of the run have come here; at once if it is one.

    Uses a group of its own: that of the language model may have a limit of minutes.
    """
    if world < 2:
        return
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=_LONGEST)
    if not _groups:
        _groups.append(distributed.new_group(timeout=_LONGEST, backend="gloo"))
    distributed.barrier(group=_groups[0])
