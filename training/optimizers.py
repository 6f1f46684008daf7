"""Muon for matrices and AdamW for everything else, as one optimizer for the trainer.

Both are torch's own. Muon orthogonalises updates of weight matrices, which on small models from
scratch reaches the same loss in about half the steps; embeddings, convolutions, norms and biases
stay with AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["ExactMuon", "MuonAdamW", "muon_adamw"]


class ExactMuon(torch.optim.Muon):
    """torch's Muon, but its updates are made orthogonal in float32.

    torch does that in bfloat16, for which many CPUs have no instructions: there it takes 30 times
    as long. States are those of torch's, so that a run may go on with either.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update; `closure` is evaluated once, before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            keep = group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                mean = state["momentum_buffer"].lerp_(weight.grad, 1 - keep)
                update = weight.grad.lerp(mean, keep) if group["nesterov"] else mean
                update = _orthogonal(
                    update, group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                tall = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * tall)
        return loss


def _orthogonal(
    update: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> torch.Tensor:
    """Return the nearly orthogonal matrix (rows, columns) nearest to `update`, of its type.

    Each Newton-Schulz step maps every singular value s to a s + b s^3 + c s^5 (the `coefficients`),
    which brings those between 0 and 1 near 1 (K. Jordan and others, Muon, 2024).
    """
    a, b, c = coefficients
    wide = update.float() if update.shape[0] <= update.shape[1] else update.float().T
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide if update.shape[0] <= update.shape[1] else wide.T).to(update.dtype)


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
    on_cpu = all(weight.device.type == "cpu" for weight in matrices)
    muon = ExactMuon if on_cpu else torch.optim.Muon
    return MuonAdamW(
        muon(matrices, lr=muon_lr, weight_decay=weight_decay),
        torch.optim.AdamW(others, lr=adamw_lr, betas=(0.9, 0.98), weight_decay=weight_decay),
    )
