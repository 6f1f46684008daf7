"""Settings of annotation: read from YAML as strictly as a recipe; see `annotation.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.judging.settings import JudgeSettings, parse_judge
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.paths import training_dir
from onethinker_eval.scoring import PROBLEM_TYPES
from onethinker_eval.training.recipe import load_as

__all__ = ["AnnotationSettings", "load_annotation", "parse_teacher"]


@dataclass(frozen=True, slots=True)
class AnnotationSettings:
    """What is asked and what is kept; every key is explained in `annotation.yaml`."""

    prompts: str = "onethinker"
    attempts: int = 2
    agree: int = 1
    temperature: float = 0.7
    max_tokens: int = 4096
    seed: int = 0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    strict_format: bool = True
    min_thinking: int = 40
    max_thinking: int = 12_000
    consistent: bool = True
    learn: Literal["truth", "teacher"] = "truth"
    fps: float = 2.0
    max_frames: int = 32
    frame_pixels: int = 100_352
    image_pixels: int = 802_816
    requests_per_minute: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0
    most_cost: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be met."""
        for kind, value in self.thresholds.items():
            if kind not in PROBLEM_TYPES:
                raise unknown_name("problem type in thresholds", kind, PROBLEM_TYPES)
            if not 0 <= value <= 1:
                raise ValueError(f"the threshold of {kind} must be 0 to 1, got {value}")
        missing = [kind for kind in PROBLEM_TYPES if kind not in self.thresholds]
        if missing:
            raise ValueError(f"thresholds misses {', '.join(missing)}")
        if not 1 <= self.agree <= self.attempts <= 64:
            raise ValueError("attempts must be 1 to 64, and agree 1 to attempts")
        prices = (self.requests_per_minute, self.price_in, self.price_out, self.most_cost)
        if min(*prices, self.temperature) < 0 or self.max_tokens < 1:
            raise ValueError(
                "rates, prices and temperature must not be below 0, max_tokens above it"
            )
        if self.most_cost and not (self.price_in or self.price_out):
            raise ValueError("most_cost needs price_in and price_out")

    @property
    def rule(self) -> FrameRule:
        """Return how media are shown to the teacher."""
        return FrameRule.of(
            {
                "fps": self.fps,
                "max_frames": self.max_frames,
                "frame_pixels": self.frame_pixels,
                "image_pixels": self.image_pixels,
            }
        )

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Return what tokens cost, in the currency of the prices."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


def load_annotation(
    path: Path | None, changes: Mapping[str, str] | None = None
) -> AnnotationSettings:
    """Return the settings of a file, or the shipped ones, with `changes` put in.

    >>> load_annotation(None, {"attempts": "4"}).attempts
    4

    Raises `UsageError` naming file and key.
    """
    return load_as(AnnotationSettings, path or training_dir() / "annotation.yaml", changes)


def parse_teacher(text: str) -> JudgeSettings:
    """Read `base_url=…,model=…[,concurrency=8,timeout_s=60,retries=5,api_key_env=NAME]`.

    >>> parse_teacher("base_url=http://localhost:8000/v1,model=m").model
    'm'

    Raises `UsageError`; a key itself is never taken, only the name of its variable.
    """
    try:
        made = parse_judge(text)
    except UsageError as error:
        raise UsageError(str(error).replace("--judge", "--teacher")) from error
    if not made.chat or made.reward:
        raise UsageError("--teacher needs base_url and model, and no reward model")
    return made
