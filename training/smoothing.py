"""A loss that knows that 500 is nearly 501: targets spread over neighbouring number tokens.

Where one token stands for a whole number, plain cross entropy treats a coordinate that is one
off like one that is 500 off. Here the target of a number token is a Gaussian over the tokens of
its own row (integers, or tenths of a second), which for small models from scratch is the
difference between learning places in minutes and not at all. Other tokens keep their one-hot
target.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from onethinker_eval.training.tiny_tokenizer import NumberRows

__all__ = ["SmoothedNumbers"]

REACH = 3  # neighbours beyond three spreads weigh under 0.1 %


class SmoothedNumbers:
    """Cross entropy with number targets spread by `spread` steps of their row."""

    def __init__(self, rows: NumberRows, spread: float, vocabulary: int) -> None:
        """Prepare the tables; `vocabulary` is the width of the logits."""
        reach = max(1, round(REACH * spread))
        offsets = torch.arange(-reach, reach + 1)
        self._weights = torch.exp(-0.5 * (offsets / spread) ** 2)
        # neighbours[id] = token ids around `id`; -1 beyond the end of the row or for other tokens
        self._neighbours = torch.full((vocabulary, len(offsets)), -1)
        for row in map(torch.tensor, (rows.integers, rows.listed, rows.tenths)):
            places = torch.arange(len(row))[:, None] + offsets[None, :]
            inside = (places >= 0) & (places < len(row))
            self._neighbours[row] = torch.where(inside, row[places.clamp(0, len(row) - 1)], -1)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the summed loss of `logits` (N, vocabulary) for `targets` (N,)."""
        log_probabilities = functional.log_softmax(logits.float(), dim=-1)
        neighbours = self._neighbours.to(targets.device)[targets]
        number = neighbours[:, neighbours.shape[1] // 2] >= 0
        plain = functional.nll_loss(log_probabilities[~number], targets[~number], reduction="sum")
        if not bool(number.any()):
            return plain
        near = neighbours[number]
        weights = self._weights.to(logits.device)[None, :] * (near >= 0)
        weights = weights / weights.sum(dim=1, keepdim=True)
        spread = log_probabilities[number].gather(1, near.clamp(min=0))
        return plain - (weights * spread).sum()
