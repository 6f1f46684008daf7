"""The training set of a run: rows by position, made when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from onethinker_eval.media.frames import FrameRule
from onethinker_eval.prompts import Profile, load_profile
from onethinker_eval.training.json_samples import json_samples
from onethinker_eval.training.mixture import Order, arrange
from onethinker_eval.training.recipe import DataSettings, Recipe
from onethinker_eval.training.samples import SampleSource, demo_scenes, row

__all__ = ["SampleRows", "make_sources", "training_rows"]


class SampleRows:
    """Rows by position in the order; a transform of a numbered data set."""

    def __init__(self, sources: list[SampleSource], order: Order, profile: Profile) -> None:
        """Keep what is needed to make the row at any position."""
        self._sources = sources
        self._order = order
        self._profile = profile

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Return the columns of the rows at `batch["position"]`."""
        rows = [self.at(position) for position in batch["position"]]
        return {name: [made[name] for made in rows] for name in rows[0]}

    def at(self, position: int) -> dict[str, Any]:
        """Return one row: prompt, completion, images, and what its reward needs."""
        source = self._sources[int(self._order.sources[position])]
        samples = source.samples(int(self._order.items[position]))
        place = int(self._order.rows[position]) % len(samples)
        return row(samples[place], self._profile)


def make_sources(data: DataSettings, stage: str) -> list[SampleSource]:
    """Return the sources of a recipe; raises `UsageError` or `DataError` for what is not there."""
    rule = FrameRule(
        fps=data.fps,
        max_frames=data.max_frames,
        frame_pixels=data.frame_pixels,
        image_pixels=data.image_pixels,
    )
    sources: list[SampleSource] = []
    for item in data.sources:
        if item.kind == "json":
            sources += json_samples(item, Path(data.root), rule, thinking=stage == "sft")
            continue
        sources += demo_scenes(
            item.families,
            rule,
            size=item.size,
            weight=item.weight,
            weights=item.weights,
            seed=data.seed,
        )
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
    )
    dataset = Dataset.from_dict({"position": range(len(order))})
    dataset.set_transform(SampleRows(sources, order, load_profile(data.prompts)))
    return dataset, order
