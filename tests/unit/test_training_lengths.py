"""The token count of samples is the model's own, and what is too long is left out and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.prompts import load_profile
from onethinker_eval.records import Record

pytest.importorskip("datasets")
pytest.importorskip("transformers")

from onethinker_eval.training.lengths import LengthLimit, TokenCounter, length_limit, token_counter
from onethinker_eval.training.mixture import Source, arrange
from onethinker_eval.training.recipe import load
from onethinker_eval.training.rows import SampleRows, make_sources
from onethinker_eval.training.samples import Sample, row


def test_the_count_is_that_of_the_models_input() -> None:
    from onethinker_eval.training.policy import load_policy
    from onethinker_eval.training.slots import slot_processor

    recipe = load("demo-sft")
    processor = slot_processor(load_policy(recipe)[1])
    counter = token_counter(recipe)
    profile = load_profile(recipe.data.prompts)
    seen = set()
    for source in make_sources(recipe.data, "sft")[::8]:
        made = row(source.samples(0)[0], profile)
        messages = [*made["prompt"], *made["completion"]]
        text = processor.apply_chat_template(messages, tokenize=False)
        ids = processor(text=[text], images=[made["images"]])["input_ids"][0]
        assert counter.of(made) == len(ids), source.source.name
        text = processor.apply_chat_template(
            made["prompt"], tokenize=False, add_generation_prompt=True
        )
        ids = processor(text=[text], images=[made["images"]])["input_ids"][0]
        assert counter.of(made, reply=False) == len(ids)
        seen.add(source.source.modality)
    assert seen == {"image", "video"}


class Words:
    """Samples whose lengths are given; the record's id is the item."""

    def __init__(self, lengths: list[int]) -> None:
        self.source = Source("words", len(lengths), "image")
        self._lengths = lengths

    def samples(self, item: int) -> list[Sample]:
        record = Record(str(item), "math", "image", "?", (), "1")
        thinking = "x" * self._lengths[item]
        return [Sample(record, (np.zeros((32, 32, 3), np.uint8),), None, thinking, "")]


def rows_of(lengths: list[int], most: int) -> SampleRows:
    def letters(messages: Sequence[Mapping[str, Any]], opened: bool) -> int:
        return str(messages).count("x")

    profile = load_profile("plain")
    limit = LengthLimit(TokenCounter(letters, lambda *_: 1, lambda *_: 1), profile, most)
    source = Words(lengths)
    order = arrange([source.source], 1, len(lengths))
    return SampleRows([source], order, profile, limit)


def test_rows_above_the_limit_give_way_to_the_next() -> None:
    lengths = [5, 50, 6, 60, 70, 7, 8, 80]
    most = 40
    rows, again = rows_of(lengths, most), rows_of(lengths, most)
    forward = [rows.at(at)["record"]["id"] for at in range(8)]
    backward = [again.at(at)["record"]["id"] for at in reversed(range(8))]
    assert forward == backward[::-1]  # whatever was read before
    assert sorted(forward) == ["0", "0", "2", "2", "5", "5", "5", "6"]
    assert rows.too_long == {"words": 5}  # 3 gives way to 4, which is too long itself
    with pytest.raises(DataError, match="8 samples in a row are longer"):
        rows_of(lengths, 4).at(0)


def test_a_rollout_needs_room() -> None:
    grpo = load("demo-grpo", {"data.max_length": "90", "model.scratch": "tiny"})
    with pytest.raises(UsageError, match="no room for a rollout of 96"):
        length_limit(grpo)
    assert length_limit(load("demo-grpo")) is None
    away = load("demo-grpo", {"data.max_length": "900", "model.path": "/nowhere"})
    with pytest.raises(UsageError, match="tokenizer of /nowhere"):
        length_limit(away)
