"""The training set of a run: rows by position, made when they are asked for."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from onethinker_eval.errors import DataError
from onethinker_eval.prompts import Profile, load_profile
from onethinker_eval.training.json_samples import frame_rule, json_samples
from onethinker_eval.training.lengths import LengthLimit, TooLong, length_limit
from onethinker_eval.training.mixture import Order, arrange
from onethinker_eval.training.recipe import DataSettings, Recipe
from onethinker_eval.training.samples import Sample, SampleSource, row, source_scenes

__all__ = ["SampleRows", "make_sources", "training_rows"]

_LOG = logging.getLogger(__name__)
_LONGEST_GAP = 1000
"""Items in a row that are too long after which the limit, not the data, is at fault."""


class SampleRows:
    """Rows by position in the order; a transform of a numbered data set.

    An item with a sample above the `limit` gives way to the next of its source: which one is a
    function of the data alone, the same on every process and after a resume. `too_long` counts
    them by source.
    """

    def __init__(
        self,
        sources: list[SampleSource],
        order: Order,
        profile: Profile,
        limit: LengthLimit | None = None,
    ) -> None:
        """Keep what is needed to make the row at any position."""
        self.too_long: Counter[str] = Counter()
        self._sources = sources
        self._order = order
        self._profile = profile
        self._limit = limit

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Return the columns of the rows at `batch["position"]`."""
        rows = [self.at(position) for position in batch["position"]]
        return {name: [made[name] for made in rows] for name in rows[0]}

    def at(self, position: int) -> dict[str, Any]:
        """Return one row: prompt, completion, images, and what its reward needs."""
        source = self._sources[int(self._order.sources[position])]
        samples = self._fitting(source, int(self._order.items[position]))
        place = int(self._order.rows[position]) % len(samples)
        return row(samples[place], self._profile)

    def _fitting(self, source: SampleSource, item: int) -> Sequence[Sample]:
        if self._limit is None:
            return source.samples(item)
        about = source.source
        for step in range(min(_LONGEST_GAP, about.size)):
            samples = source.samples((item + step) % about.size)
            try:
                for sample in samples:
                    self._limit.check(sample)
            except TooLong as error:
                self.too_long[about.name] += 1
                if self.too_long[about.name] == 1:
                    _LOG.warning("%s: left out, like others to come: %s", about.name, error)
            else:
                return samples
        raise DataError(
            f"all of {min(_LONGEST_GAP, about.size)} samples in a row are longer than "
            f"data.max_length",
            file=about.name,
            fix="raise data.max_length, or lower data.max_frames or the pixels",
        )


def make_sources(data: DataSettings, stage: str) -> list[SampleSource]:
    """Return the sources of a recipe; raises `UsageError` or `DataError` for what is not there."""
    rule = frame_rule(data)
    sources: list[SampleSource] = []
    for item in data.sources:
        if item.kind == "json":
            sources += json_samples(item, Path(data.root), rule, thinking=stage == "sft")
            continue
        sources += source_scenes(item, rule, seed=data.seed)
    return sources


def training_rows(recipe: Recipe, blocks: int, *, seed: int | None = None) -> tuple[Dataset, Order]:
    """Return the rows of `blocks` batches and their order."""
    data, run = recipe.data, recipe.run
    sources = make_sources(data, recipe.stage)
    order = arrange(
        [source.source for source in sources],
        blocks,
        run.batch,
        run.video_batch,
        seed=data.seed if seed is None else seed,
        video_share=data.video_share,
        video_from=data.video_from,
        sort=data.sort,
    )
    dataset = Dataset.from_dict({"position": range(len(order))})
    profile = load_profile(data.prompts)
    dataset.set_transform(SampleRows(sources, order, profile, length_limit(recipe)))
    return dataset, order
