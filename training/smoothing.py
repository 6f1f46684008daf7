"""A loss that knows that 500 is nearly 501: coordinates spread over neighbouring number tokens.

Where one token stands for a whole number, plain cross entropy treats a coordinate that is one off
like one that is 500 off. Here the target of a coordinate is a Gaussian over the integers, which for
small models from scratch is the difference between learning places in minutes and not at all. Only
places in thoughts and replies that ground (with boxes) are treated so, and in these no seconds and
no counts: 5 corners are not nearly 6, nor is second 3 nearly second 4. Times in tenths are exact
too: they are copied or calculated from one another, and of those that could be meant few are near.
All coordinates are spread, small ones too: a sharp target among spread ones wins every greedy
choice that it is near to. Other tokens keep their one-hot target.
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
COURSE = 12
"""Coordinates of boxes in a thought from which on the same holds for its course."""
DECISIVE = 5.0
"""Weight of a mark that says whether something fits, of other targets that are not spread 1."""


class SmoothedNumbers:
    """Cross entropy with the numbers of replies that ground spread by `spread` of 1000.

    All other targets have the weight `exact`: a coordinate keeps most of its loss however well it
    is known, and would drown what can be known for sure. Marks that decide what a thought concludes
    are few, and weigh more than that.
    """

    def __init__(
        self, rows: NumberRows, spread: float, vocabulary: int, exact: float = 1.0
    ) -> None:
        """Prepare the tables; `vocabulary` is the width of the logits."""
        self._exact = exact
        reach = max(1, round(REACH * spread))
        self._offsets = torch.arange(-reach, reach + 1)
        self._grounds = torch.tensor(rows.grounding)
        self._opens_time = torch.tensor(rows.opens_time)
        self._opens_point = torch.tensor(rows.opens_point)
        self._opens_box = torch.tensor(rows.opens_box)
        self._exactly = torch.tensor(rows.exact)
        self._moves = torch.tensor(rows.moves)
        self._decides = torch.tensor(rows.decides)
        self._whole = torch.tensor([*rows.integers, *rows.listed])
        kinds = (rows.integers, rows.listed)
        # the row of numbers an id is in (-1: none) and its place there; ids by row and place
        self._row = torch.full((vocabulary,), -1)
        self._place = torch.zeros(vocabulary, dtype=torch.long)
        self._ids = torch.zeros(len(kinds), len(rows.integers), dtype=torch.long)
        self._width = spread
        for at, ids in enumerate(kinds):
            row = torch.tensor(ids)
            self._row[row], self._place[row] = at, torch.arange(len(row))
            self._ids[at] = row

    def spread(self, targets: torch.Tensor) -> torch.Tensor:
        """Return which of `targets` (rows, length) may be spread: (rows, length) bool.

        Those of places and ways ("right 62") in thoughts, and those of rows with boxes or times but
        for seconds: the two numbers that open a time, and one after a word that counts, such as
        "with 4 corners".
        """
        place = targets.device
        grounds = torch.isin(targets, self._grounds.to(place)).any(dim=1, keepdim=True)
        opens = torch.isin(targets, self._opens_time.to(place))
        counts = torch.isin(targets, self._exactly.to(place))
        point = torch.isin(targets, self._opens_point.to(place))
        way = torch.isin(targets, self._moves.to(place))
        named = _later(point, 1) | _later(point, 2) | _later(way, 2) | self._boxes(targets)
        after = _later(opens, 1) | _later(opens, 2) | _later(counts, 2)
        return named | (grounds & ~after)

    def _boxes(self, targets: torch.Tensor) -> torch.Tensor:
        """Return which of `targets` (rows, length) are numbers of boxes of a course."""
        opens = torch.isin(targets, self._opens_box.to(targets.device))
        return _later(opens, 1) | _later(opens, 2) | _later(opens, 3) | _later(opens, 4)

    def jittered(
        self, ids: torch.Tensor, labels: torch.Tensor, spread: torch.Tensor
    ) -> torch.Tensor:
        """Return `ids` with the numbers of `labels` moved at random where `spread`.

        All three are (rows, length); `spread` is that of `labels`, -100 stands for no label.
        Truth knows only multiples of a pixel; a model that says their neighbours must have read
        them too, or it loses the thread after the first one. In half of the long tracks all x and
        all y are moved alike besides: a track continued from what was said drifts away from what is
        shown, and only who has read such tracks looks where the object is.
        """
        place = labels.device
        known = labels.clamp(min=0)
        row = self._row.to(place)[known]
        moves = torch.randn(labels.shape, device=place) * JITTER + self._drift(labels, spread)
        moves = (moves * self._width).round().long()
        moved = (self._place.to(place)[known] + moves).clamp(0, self._ids.shape[1] - 1)
        read = self._ids.to(place)[row.clamp(min=0), moved]
        return torch.where(spread & (labels >= 0) & (row >= 0), read, ids)

    def _drift(self, labels: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """Return by how many spreads each number of a long track is moved with the others."""
        place = labels.device
        whole = spread & torch.isin(labels, self._whole.to(place))
        answer = torch.isin(labels, self._grounds.to(place)).cumsum(dim=1) > 0
        course = self._boxes(labels) & ~answer
        return self._shifts(whole & answer, LONG) + self._shifts(whole & course, COURSE)

    def _shifts(self, numbers: torch.Tensor, least: int) -> torch.Tensor:
        """Return shifts of `numbers` (rows, length), for half of the rows with `least` or more.

        All x of a row have one shift, all y another.
        """
        place = numbers.device
        moved = (numbers.sum(dim=1, keepdim=True) >= least) & (
            torch.rand(len(numbers), 1, device=place) < 0.5
        )
        offsets = torch.randn(len(numbers), 2, device=place) * DRIFT
        axis = (numbers.cumsum(dim=1) - 1).clamp(min=0) % 2
        return offsets.gather(1, axis) * (numbers & moved)

    def __call__(
        self, logits: torch.Tensor, targets: torch.Tensor, spread: torch.Tensor
    ) -> torch.Tensor:
        """Return the summed loss of `logits` (N, vocabulary) for `targets` (N,).

        `spread` (N,) says which targets are spread if they are numbers.
        """
        log_probabilities = functional.log_softmax(logits.float(), dim=-1)
        number = (self._row.to(targets.device)[targets] >= 0) & spread
        known = targets[~number]
        losses = functional.nll_loss(log_probabilities[~number], known, reduction="none")
        decisive = torch.isin(known, self._decides.to(known.device))
        plain = self._exact * (losses * torch.where(decisive, DECISIVE, 1.0)).sum()
        if not bool(number.any()):
            return plain
        near, weights = self._neighbours(targets[number])
        return plain - (weights * log_probabilities[number].gather(1, near)).sum()

    def _neighbours(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ids around each of `numbers` (N,) and their weights, both (N, reach)."""
        place = numbers.device
        offsets, row = self._offsets.to(place)[None, :], self._row.to(place)[numbers][:, None]
        places = self._place.to(place)[numbers][:, None] + offsets
        last = self._ids.shape[1] - 1
        inside = (places >= 0) & (places <= last)
        near = self._ids.to(place)[row, places.clamp(0, last)]
        weights = torch.exp(-0.5 * (offsets / self._width) ** 2) * inside
        return near, weights / weights.sum(dim=1, keepdim=True)


def _later(marks: torch.Tensor, steps: int) -> torch.Tensor:
    """Return `marks` (rows, length) moved to the right."""
    return functional.pad(marks, (steps, 0))[:, : marks.shape[1]]
