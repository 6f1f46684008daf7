"""The mean of the weights of models that went on from one another.

Runs that start from common weights often lie in one valley of the loss, and its middle is better
than its sides (Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482). Models of other
origins have no useful mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from onethinker_eval.errors import UsageError

__all__ = ["average"]


def average(shares: Mapping[Path, float], output: Path) -> Path:
    """Write to `output` the model whose weights are the sum of those of models, each by its share.

    The sum is made in float32 and kept in the type of the first; what else a model's folder holds
    is that of the first. Raises `UsageError` where shares do not add up to 1, or weights of another
    name or shape are found.

    >>> average({Path("a"): 0.5, Path("b"): 0.4}, Path("mean"))
    Traceback (most recent call last):
    onethinker_eval.errors.UsageError: the shares add up to 0.9, not to 1
    """
    total = math.fsum(shares.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise UsageError(f"the shares add up to {total:g}, not to 1")
    from transformers import AutoModelForImageTextToText, AutoProcessor

    first, *_ = shares
    mean: dict[str, torch.Tensor] = {}
    for path, share in shares.items():
        model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
        weights = model.state_dict()
        shapes = {name: one.shape for name, one in weights.items()}
        if mean and shapes != {name: one.shape for name, one in mean.items()}:
            raise UsageError(
                f"{path} has weights of other names or shapes than {first}",
                hint="only models of one configuration have a mean",
            )
        mean = {name: share * one + (mean[name] if mean else 0.0) for name, one in weights.items()}
    made = AutoModelForImageTextToText.from_pretrained(first, dtype="auto")
    made.load_state_dict(mean)
    made.save_pretrained(output)
    AutoProcessor.from_pretrained(first).save_pretrained(output)
    return output
