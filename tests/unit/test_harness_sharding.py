"""Cutting a run into shards: everything once, media together, even parts, nobody to ask."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.sharding import media_key, parse_shard, partition
from onethinker_eval.records import Medium, Record

KEYS = st.lists(
    st.one_of(st.just(()), st.sampled_from([(f"{n}.mp4",) for n in range(12)])), max_size=60
)


@given(KEYS, st.integers(1, 9))
def test_each_sample_is_in_one_shard_and_shards_are_even(
    keys: list[tuple[str, ...]], count: int
) -> None:
    owners = partition("t", keys, count)
    assert len(owners) == len(keys)
    assert set(owners) <= set(range(1, count + 1))
    fair = -(-len(keys) // count)
    groups = Counter(key for key in keys if key)
    largest = min(fair, max(groups.values(), default=1))
    sizes = [owners.count(number) for number in range(1, count + 1)]
    assert max(sizes, default=0) - min(sizes, default=0) <= largest


@given(KEYS, st.integers(1, 9))
def test_the_same_medium_stays_together_up_to_a_fair_share(
    keys: list[tuple[str, ...]], count: int
) -> None:
    owners = partition("t", keys, count)
    fair = -(-len(keys) // count)
    places: dict[tuple[str, ...], list[int]] = {}
    for owner, key in zip(owners, keys, strict=True):
        if key:
            places.setdefault(key, []).append(owner)
    for found in places.values():
        assert len(set(found)) <= -(-len(found) // fair)


@given(KEYS, st.integers(1, 9))
def test_the_cut_needs_no_other_task_and_no_other_process(
    keys: list[tuple[str, ...]], count: int
) -> None:
    moved = [tuple(f"/other/root/{name}" for name in key) for key in keys]
    assert partition("t", keys, count) == partition("t", moved, count)


def test_small_tasks_do_not_all_fall_to_one_shard() -> None:
    firsts = [partition(f"task {number}", [("a",)], 8)[0] for number in range(64)]
    assert len(set(firsts)) == 8


def test_what_samples_share() -> None:
    media = (Medium("image", "/a.png"), Medium("image", "/b.png"))
    record = Record("1", "math", "image", "?", media, "1")
    assert media_key(record) == ("/a.png", "/b.png")


def test_a_shard_is_read_strictly() -> None:
    assert parse_shard(" 3/8 ").suffix == ".shard-3-of-8"
    for text in ("", "0/8", "9/8", "1/0", "1-8", "a/b", "-1/8", "1/8/2", "1.0/2"):
        with pytest.raises(UsageError, match="--shard"):
            parse_shard(text)
