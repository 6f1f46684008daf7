"""One item to evaluate: what is shown, what is asked, and the truth.

Readers make records from whatever form a data set comes in; everything after them
(prompts, models, scoring, reports, training) sees only this type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["Medium", "Record"]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Medium:
    """An image or a video shown to the model: its kind and the absolute path of its file."""

    kind: Literal["image", "video"]
    path: str


@dataclass(frozen=True, slots=True)
class Record:
    """One sample of a benchmark split.

    `truth` is a JSON value or the released solution string (with or without `<answer>` tags).
    `cluster` names the image or video the sample belongs to: confidence intervals resample
    clusters, schedulers keep them together. `meta` holds what a benchmark adds: `category`,
    `group` (circular questions), `fps`, `width`, `height`, `duration_s`, and for segmentation
    `segmentation` = `{"frames": [...], "rle": {...}}`.
    """

    id: str
    problem_type: str
    data_type: str
    question: str
    media: tuple[Medium, ...]
    truth: Any
    options: tuple[str, ...] = ()
    cluster: str = ""
    meta: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    origin: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values; `Record.from_json` reads it back unchanged."""
        return {
            "id": self.id,
            "problem_type": self.problem_type,
            "data_type": self.data_type,
            "question": self.question,
            "media": [[medium.kind, medium.path] for medium in self.media],
            "truth": self.truth,
            "options": list(self.options),
            "cluster": self.cluster,
            "meta": dict(self.meta),
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Rebuild a record from `to_json`; raises `KeyError` if a field is missing."""
        return cls(
            id=value["id"],
            problem_type=value["problem_type"],
            data_type=value["data_type"],
            question=value["question"],
            media=tuple(Medium(kind, path) for kind, path in value["media"]),
            truth=value["truth"],
            options=tuple(value["options"]),
            cluster=value["cluster"],
            meta=value["meta"],
            origin=value["origin"],
        )
