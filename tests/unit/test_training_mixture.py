"""The training order: balanced, deterministic, complete passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.training.mixture import Order, Source, arrange

SOURCES = [
    Source("refcoco", 50, "image", 2.0),
    Source("math", 20, "image"),
    Source("charades", 30, "video"),
]


def test_batches_are_of_one_modality_and_balanced() -> None:
    order = arrange(SOURCES, blocks=100, image_rows=8, seed=3)
    kinds = np.array([SOURCES[at].modality == "video" for at in order.sources]).reshape(100, 8)
    assert (kinds.all(axis=1) | ~kinds.any(axis=1)).all()
    assert kinds[:, 0].sum() == 50


def test_videos_start_late_when_asked() -> None:
    order = arrange(SOURCES, blocks=40, image_rows=2, video_share=0.25, video_from=0.5)
    video = np.array([SOURCES[at].modality == "video" for at in order.sources[::2]])
    assert not video[:20].any()
    assert video[20:].sum() == 5


def test_weights_decide_within_a_modality() -> None:
    order = arrange(SOURCES, blocks=2000, image_rows=4, video_share=0.0)
    share = (order.sources == 0).mean()
    assert share == pytest.approx(2 / 3, abs=0.03)


def test_share_by_weights() -> None:
    order = arrange(SOURCES, blocks=1000, image_rows=1, video_share=None)
    assert (order.sources == 2).sum() == 250


def test_batches_by_length_hold_the_same_items_with_less_spread() -> None:
    sources = [
        Source(str(n), 400, "image", rows=2, length=length) for n, length in enumerate((9, 2, 5))
    ]
    plain = arrange(sources, blocks=24, image_rows=8, seed=1)
    made = arrange(sources, blocks=24, image_rows=8, seed=1, sort=4)

    def spread(order: Order) -> float:
        lengths = np.array([source.length for source in sources])[order.sources].reshape(24, 8)
        return float((lengths.max(axis=1) - lengths.min(axis=1)).mean())

    window = 4 * 8
    for start in range(0, len(made), window):
        drawn = [
            sorted(zip(o.sources[start:][:window], o.items[start:][:window], strict=True))
            for o in (plain, made)
        ]
        assert drawn[0] == drawn[1]
    assert spread(made) < spread(plain) / 2
    assert (made.items[::2] == made.items[1::2]).all()  # the rows of an item stay together


@given(
    st.integers(1, 30), st.integers(1, 20), st.integers(1, 6), st.integers(0, 5), st.floats(0, 1)
)
def test_every_item_before_any_twice_and_the_same_for_the_same_seed(
    size: int, blocks: int, block_size: int, seed: int, share: float
) -> None:
    sources = [Source("a", size, "image"), Source("b", 2 * size, "video")]
    order = arrange(sources, blocks, block_size, seed=seed, video_share=share)
    again = arrange(sources, blocks, block_size, seed=seed, video_share=share)
    assert (order.items == again.items).all()
    assert (order.sources == again.sources).all()
    for at, source in enumerate(sources):
        items = order.items[order.sources == at]
        counts = np.bincount(items, minlength=source.size)
        assert counts.max(initial=0) - counts.min(initial=counts.max(initial=0)) <= 1


def test_video_batches_may_be_smaller() -> None:
    order = arrange(SOURCES, blocks=10, image_rows=6, video_rows=2)
    sizes = np.diff(order.starts)
    for start, size in zip(order.starts, sizes, strict=False):
        video = SOURCES[order.sources[start]].modality == "video"
        assert size == (2 if video else 6)
    assert len(order) == sizes.sum()


def test_rows_of_an_item_stand_together() -> None:
    order = arrange([Source("a", 100, "image", rows=3)], blocks=5, image_rows=6)
    assert order.rows.tolist() == [0, 1, 2] * 10
    assert (order.items.reshape(10, 3) == order.items[::3, None]).all()


@pytest.mark.parametrize(
    ("change", "words"), [({"size": 0}, "empty"), ({"weight": 0.0}, "above 0")]
)
def test_useless_sources_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Source(**{"name": "a", "size": 1, "modality": "image", **change})  # type: ignore[arg-type]


def test_no_source_and_wrong_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="no source"):
        arrange([], 1, 1)
    with pytest.raises(ValueError, match="video_share"):
        arrange(SOURCES, 1, 1, video_share=1.5)
