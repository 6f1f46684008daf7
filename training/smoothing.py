"""A loss that knows that 500 is nearly 501: coordinates spread over neighbouring number tokens.

Where one token stands for a whole number, plain cross entropy treats a coordinate that is one
off like one that is 500 off. Here the target of a coordinate is a Gaussian over the tokens of its
own row (integers, or tenths of a second), which for small models from scratch is the difference
between learning places in minutes and not at all. Only places in thoughts and replies that ground
(with boxes or times) are treated so, and in these not whole seconds: a count of 5 is not nearly one
of 6, nor is second 3 nearly second 4. All coordinates are, small ones too: a sharp target among
spread ones wins every greedy choice that it is near to. Other tokens keep their one-hot target.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from onethinker_eval.training.tiny_tokenizer import NumberRows

__all__ = ["SmoothedNumbers"]

REACH = 3  # neighbours beyond three spreads weigh under 0.1 %
JITTER = 0.5
"""Deviation of what the model reads, as a share of the spread of what it is to say."""
DRIFT = 6.0
"""Deviation of what a long track reads as a whole, as a share of the same spread."""
LONG = 16
"""Coordinates of an answer from which on it is a track that could be continued unseen."""
TENTHS = 0.25
"""Spread of tenths of a second as a share of the spread of coordinates."""


class SmoothedNumbers:
    """Cross entropy with the numbers of replies that ground spread by `spread` of 1000."""

    def __init__(self, rows: NumberRows, spread: float, vocabulary: int) -> None:
        """Prepare the tables; `vocabulary` is the width of the logits."""
        reach = max(1, round(REACH * spread))
        offsets = torch.arange(-reach, reach + 1)
        self._grounds = torch.tensor(rows.grounding)
        self._opens_time = torch.tensor(rows.opens_time)
        self._opens_point = torch.tensor(rows.opens_point)
        self._equals = torch.tensor(rows.equals)
        self._second = torch.tensor(rows.second)
        self._whole = torch.tensor([*rows.integers, *rows.listed])
        # neighbours[id] = token ids around `id`; -1 beyond the end of the row or for other tokens
        self._neighbours = torch.full((vocabulary, len(offsets)), -1)
        self._weights = torch.zeros(vocabulary, len(offsets))
        self._widths = torch.zeros(vocabulary)
        # the row of numbers an id is in, its place there, and the ids by row and place
        self._row = torch.full((vocabulary,), -1)
        self._place = torch.zeros(vocabulary, dtype=torch.long)
        kinds = (
            (rows.integers, spread),
            (rows.listed, spread),
            (rows.tenths, spread * TENTHS),
        )
        self._last = torch.tensor([len(ids) - 1 for ids, _ in kinds])
        self._ids = torch.zeros(len(kinds), len(rows.integers), dtype=torch.long)
        for at, (ids, width) in enumerate(kinds):
            row = torch.tensor(ids)
            self._row[row], self._place[row] = at, torch.arange(len(row))
            self._ids[at, : len(row)] = row
            places = torch.arange(len(row))[:, None] + offsets[None, :]
            inside = (places >= 0) & (places < len(row))
            self._neighbours[row] = torch.where(inside, row[places.clamp(0, len(row) - 1)], -1)
            weights = torch.exp(-0.5 * (offsets / width) ** 2)[None, :] * inside
            self._weights[row] = weights / weights.sum(dim=1, keepdim=True)
            self._widths[row] = width

    def spread(self, targets: torch.Tensor) -> torch.Tensor:
        """Return which of `targets` (rows, length) may be spread: (rows, length) bool.

        Those of places in thoughts, and those of rows with boxes or times but for whole seconds:
        the two numbers that open a time, and one after the word "second".
        """
        place = targets.device
        grounds = torch.isin(targets, self._grounds.to(place)).any(dim=1, keepdim=True)
        opens = torch.isin(targets, self._opens_time.to(place))
        second = torch.isin(targets, self._second.to(place))
        point = torch.isin(targets, self._opens_point.to(place))
        equals = torch.isin(targets, self._equals.to(place))
        named = _later(point, 1) | _later(point, 2) | _later(equals, 1)
        after = _later(opens, 1) | _later(opens, 2) | _later(second, 2)
        exact = after & torch.isin(targets, self._whole.to(place))
        return named | (grounds & ~exact)

    def jittered(
        self, ids: torch.Tensor, labels: torch.Tensor, spread: torch.Tensor
    ) -> torch.Tensor:
        """Return `ids` with the numbers of `labels` moved at random where `spread`.

        All three are (rows, length); `spread` is that of `labels`, -100 stands for no label.
        Truth knows only multiples of a pixel and half seconds; a model that says their neighbours
        must have read them too, or it loses the thread after the first one. In half of the long
        tracks all x and all y are moved alike besides: a track continued from what was said drifts
        away from what is shown, and only who has read such tracks looks where the object is.
        """
        place = labels.device
        known = labels.clamp(min=0)
        row = self._row.to(place)[known]
        moves = torch.randn(labels.shape, device=place) * JITTER + self._drift(labels, spread)
        moves = (moves * self._widths.to(place)[known]).round().long()
        last = self._last.to(place)[row.clamp(min=0)]
        moved = (self._place.to(place)[known] + moves).clamp(min=0).minimum(last)
        read = self._ids.to(place)[row.clamp(min=0), moved]
        return torch.where(spread & (labels >= 0) & (row >= 0), read, ids)

    def _drift(self, labels: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """Return by how many spreads each number of a long track is moved with the others."""
        place = labels.device
        answer = torch.isin(labels, self._grounds.to(place)).cumsum(dim=1) > 0
        numbers = spread & answer & torch.isin(labels, self._whole.to(place))
        drifts = (numbers.sum(dim=1, keepdim=True) >= LONG) & (
            torch.rand(len(labels), 1, device=place) < 0.5
        )
        offsets = torch.randn(len(labels), 2, device=place) * DRIFT
        axis = (numbers.cumsum(dim=1) - 1).clamp(min=0) % 2  # x and y take turns
        return offsets.gather(1, axis) * (numbers & drifts)

    def __call__(
        self, logits: torch.Tensor, targets: torch.Tensor, spread: torch.Tensor
    ) -> torch.Tensor:
        """Return the summed loss of `logits` (N, vocabulary) for `targets` (N,).

        `spread` (N,) says which targets are spread if they are numbers.
        """
        log_probabilities = functional.log_softmax(logits.float(), dim=-1)
        neighbours = self._neighbours.to(targets.device)[targets]
        number = (neighbours[:, neighbours.shape[1] // 2] >= 0) & spread
        plain = functional.nll_loss(log_probabilities[~number], targets[~number], reduction="sum")
        if not bool(number.any()):
            return plain
        weights = self._weights.to(logits.device)[targets[number]]
        near = log_probabilities[number].gather(1, neighbours[number].clamp(min=0))
        return plain - (weights * near).sum()


def _later(marks: torch.Tensor, steps: int) -> torch.Tensor:
    """Return `marks` (rows, length) moved to the right."""
    return functional.pad(marks, (steps, 0))[:, : marks.shape[1]]
