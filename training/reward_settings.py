"""The recipe's section `rewards`: who scores free text, and how scoring is kept off the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["RewardSettings"]


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How rollouts are scored (stage grpo)."""

    judge: Literal["off", "polar", "chat"] = "off"
    """Who scores open-ended answers and captions: the evaluation's ROUGE and METEOR (`off`; the
    released code's default is ROUGE), a POLAR reward model (paper), or a chat model's grade."""
    kinds: tuple[str, ...] = ("open-ended", "caption")
    """Problem types the judge scores."""
    url: str = ""
    """Address of the judge's server: of the OpenAI-compatible API (…/v1), or of POLAR's server."""
    model: str = ""
    """Name of the judge's model on that server."""
    server: Literal["sglang", "vllm", "lmdeploy"] = "vllm"
    """What serves a POLAR model."""
    api_key_env: str = ""
    """Environment variable that holds the key; the key itself is never in a recipe."""
    scale: Literal["auto", "group", "sigmoid", "none"] = "auto"
    """How a judge's number becomes 0..1: `group` puts a group's worst at 0 and best at 1 (as
    released), `sigmoid` is 1 / (1 + exp(−x)), `none` clips; `auto`: group for polar, else none."""
    batch: int = 16
    """Answers in one request to a POLAR server."""
    concurrency: int = 8
    """Requests at once, of one training process."""
    timeout_s: float = 60.0
    """Longest wait for one reply."""
    retries: int = 3
    """Tries after one that failed in a way that may pass, with growing pauses."""
    patience: int = 3
    """Batches of rollouts in a row for which no judgement came before the run is stopped."""
    workers: int = 0
    """Processes that score mathematics and captions beside each training process; 0: none."""
    time_limit_s: float = 20.0
    """Longest time a worker may take for one rollout; then its reward has failed."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.judge != "off" and not self.url:
            raise ValueError("a judge needs url")
        if self.judge == "chat" and not self.model:
            raise ValueError("a chat judge needs model")
        if min(self.batch, self.concurrency, self.patience) < 1 or self.workers < 0:
            raise ValueError("batch, concurrency and patience must be 1 or more, workers 0 or more")
        if not (0 < self.timeout_s <= 3600 and 0 < self.time_limit_s <= 3600):
            raise ValueError("timeout_s and time_limit_s must be above 0, and 3600 at most")
