"""What will be asked for first, for a model to prepare while it reads its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["Upcoming", "coming_up", "upcoming"]


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The first requests of a run, and the documents they are about (a model's `task_dict`)."""

    documents: Mapping[str, Any]
    requests: Sequence[Any]


_UPCOMING: ContextVar[Upcoming | None] = ContextVar("upcoming", default=None)


def upcoming() -> Upcoming | None:
    """Return what the model that is being loaded will be asked for first, if that is known.

    >>> with coming_up({}, ["a request"]):
    ...     upcoming().requests
    ['a request']
    >>> upcoming() is None
    True
    """
    return _UPCOMING.get()


@contextlib.contextmanager
def coming_up(documents: Mapping[str, Any], requests: Sequence[Any]) -> Iterator[None]:
    """Tell models loaded while the block runs that `requests` come first."""
    token = _UPCOMING.set(Upcoming(documents, requests) if requests else None)
    try:
        yield
    finally:
        _UPCOMING.reset(token)
