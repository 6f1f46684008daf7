"""Muon for matrices and AdamW for everything else, as one optimizer for the trainer.

Both are torch's own. Muon orthogonalises updates of weight matrices, which on small models from
scratch reaches the same loss in about half the steps; embeddings, convolutions, norms and biases
stay with AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["MuonAdamW", "muon_adamw"]


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers behind one face: one `step`, one state, groups of both for a scheduler."""

    def __init__(self, muon: torch.optim.Muon, adamw: torch.optim.AdamW) -> None:
        """Join the two; schedulers then scale the learning rate of every group."""
        self.parts: tuple[torch.optim.Optimizer, ...] = (muon, adamw)
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        # The scheduler writes into these very dictionaries, and the parts read them.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Let both take their step; `closure` is evaluated once, before."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


def muon_adamw(
    model: torch.nn.Module, *, muon_lr: float, adamw_lr: float, weight_decay: float = 0.0
) -> MuonAdamW:
    """Return the optimizer for `model`: Muon for the 2-D weights of its blocks."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            inner = weight.ndim == 2 and "embed" not in name and "lm_head" not in name
            (matrices if inner else others).append(weight)
    return MuonAdamW(
        torch.optim.Muon(matrices, lr=muon_lr, weight_decay=weight_decay),
        torch.optim.AdamW(others, lr=adamw_lr, betas=(0.9, 0.98), weight_decay=weight_decay),
    )
