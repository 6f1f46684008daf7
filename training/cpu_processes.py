"""DeepSpeed between processes on CPUs, for machines without a GPU: tests and trials."""

from __future__ import annotations

__all__ = ["spare_the_compiler"]


def spare_the_compiler() -> None:
    """Keep DeepSpeed from building `deepspeed_shm_comm` when it starts on CPUs.

    It compiles that operator for minutes on first use, though only inference needs it, and a
    process killed meanwhile leaves a lock at which every later one waits for ever. There is no
    setting for it, hence its table of operators is told that this one does not fit here.
    """
    import deepspeed.ops
    import torch

    if not torch.cuda.is_available():
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
