"""The order of training: which item of which source stands at which position.

The whole order is a pure function of the sources, their weights and a seed. Every rank computes
the same one, a resumed run goes on where it stopped, and nothing is drawn while training runs.
Positions come in blocks (one batch each) of one modality, so that short image rows are not
padded to the length of videos and all ranks see the same kind of batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Order", "Source", "arrange"]


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered set of items: `size` of them, drawn `weight` times as often as weight 1.

    Each item gives `rows` samples, which stand next to each other (they share media). `length` is
    how long its samples are, in any unit that all sources share.
    """

    name: str
    size: int
    modality: Literal["image", "video"]
    weight: float = 1.0
    rows: int = 1
    length: int = 0

    def __post_init__(self) -> None:
        """Refuse sources that could never be drawn from."""
        if self.size < 1 or self.rows < 1:
            raise ValueError(f"source {self.name!r} is empty")
        if not self.weight > 0:
            raise ValueError(f"the weight of {self.name!r} must be above 0, got {self.weight}")


@dataclass(frozen=True, slots=True)
class Order:
    """For each position the number of its source, of the item in it, and of the row in that.

    Block b covers the positions `starts[b]` to `starts[b + 1]`.
    """

    sources: NDArray[np.int32]
    items: NDArray[np.int64]
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sources)


def arrange(
    sources: Sequence[Source],
    blocks: int,
    image_rows: int,
    video_rows: int | None = None,
    *,
    seed: int = 0,
    video_share: float | None = 0.5,
    video_from: float = 0.0,
    sort: int = 1,
) -> Order:
    """Return the order of `blocks` batches of `image_rows` or `video_rows` samples each.

    `video_share` is the share of batches that are videos (None: by the sources' weights); it is
    0 before the fraction `video_from` of the run. Within a modality items are drawn by weight,
    and each source goes through all its items before it repeats one. In every `sort` batches of
    a modality the items are put by the length of their sources and the batches then shuffled:
    batches of one length pad less.

    >>> order = arrange([Source("a", 3, "image")], blocks=2, image_rows=3)
    >>> sorted(order.items[:3].tolist()), order.starts.tolist()
    ([0, 1, 2], [0, 3, 6])
    """
    if not sources:
        raise ValueError("there is no source to train on")
    rng = np.random.default_rng(seed)
    by_kind = {
        kind: [at for at, source in enumerate(sources) if source.modality == kind]
        for kind in ("image", "video")
    }
    video = _video_blocks(sources, by_kind, blocks, video_share, video_from)
    sizes = np.where(video, video_rows or image_rows, image_rows)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at_video = np.repeat(video, sizes)
    drawn = np.empty((3, int(starts[-1])), np.int64)
    for kind, members in by_kind.items():
        places = np.flatnonzero(at_video == (kind == "video"))
        if len(places):
            rows = _draw(sources, members, len(places), rng)
            size = image_rows if kind == "image" else video_rows or image_rows
            drawn[:, places] = _by_length(sources, rows, size, sort, rng) if sort > 1 else rows
    return Order(drawn[0].astype(np.int32), drawn[1], drawn[2].astype(np.int32), starts)


def _video_blocks(
    sources: Sequence[Source],
    by_kind: dict[str, list[int]],
    blocks: int,
    share: float | None,
    start: float,
) -> NDArray[np.bool_]:
    """Return which blocks are videos, spread evenly (the largest-remainder walk)."""
    if not by_kind["video"]:
        return np.zeros(blocks, bool)
    if not by_kind["image"]:
        return np.ones(blocks, bool)
    if share is None:
        weights = {kind: sum(sources[at].weight for at in ats) for kind, ats in by_kind.items()}
        share = weights["video"] / sum(weights.values())
    if not 0.0 <= share <= 1.0 or not 0.0 <= start <= 1.0:
        raise ValueError(f"video_share and video_from must be in [0, 1], got {share}, {start}")
    first = round(start * blocks)
    walked = np.floor(np.arange(1, blocks - first + 1) * share + 1e-9)
    late = np.diff(walked, prepend=0.0) > 0
    return np.concatenate([np.zeros(first, bool), late])


def _draw(
    sources: Sequence[Source], members: list[int], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return source, item and row of `count` positions, (3, count)."""
    weights = np.array([sources[at].weight for at in members])
    picked = rng.choice(len(members), size=count, p=weights / weights.sum())
    rows = np.array([sources[at].rows for at in members])[picked]
    scenes = int(np.searchsorted(np.cumsum(rows), count)) + 1
    picked, rows = picked[:scenes], rows[:scenes]
    items = np.empty(scenes, np.int64)
    for place, at in enumerate(members):
        mine = np.flatnonzero(picked == place)
        items[mine] = _passes(sources[at].size, len(mine), rng)
    number = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)
    ids = np.array(members, np.int64)[picked]
    return np.stack([np.repeat(ids, rows), np.repeat(items, rows), number])[:, :count]


def _by_length(
    sources: Sequence[Source],
    rows: NDArray[np.int64],
    size: int,
    batches: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return `rows` (3, N) with every `batches` batches of `size` put by length, then shuffled."""
    lengths = np.array([source.length for source in sources])[rows[0]]
    made = np.empty_like(rows)
    for start in range(0, rows.shape[1], size * batches):
        window = np.arange(start, min(start + size * batches, rows.shape[1]))
        # Stable: the rows of an item stay together.
        window = window[np.argsort(lengths[window], kind="stable")]
        pieces = [window[at : at + size] for at in range(0, len(window), size)]
        order = rng.permutation(len(pieces))
        made[:, start : start + len(window)] = rows[:, np.concatenate([pieces[at] for at in order])]
    return made


def _passes(size: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` items: whole shuffled passes over `size`, the last one cut."""
    parts = [rng.permutation(size)[: count - done] for done in range(0, count, size)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
