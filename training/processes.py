"""What DeepSpeed needs of a process before it loads a model, on CPUs above all."""

from __future__ import annotations

import os

from onethinker_eval.errors import MissingPart

__all__ = ["join_processes", "let_recipe_decide", "spare_the_compiler"]


def join_processes() -> None:
    """Tell DeepSpeed of the other processes, after the trainer's arguments were made.

    ZeRO-3 shares out a model while it is loaded, and takes this process for the only one unless
    its own communication was set up: transformers sees to that on GPUs under accelerate's
    launcher, but neither on CPUs nor under torchrun.
    """
    import deepspeed
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)


def let_recipe_decide() -> None:
    """Let the recipe's DeepSpeed file stand beside an accelerate file that names a ZeRO stage.

    accelerate refuses the pair, though one of the two must be there for its launcher and the
    other is what the run is to do.
    """
    os.environ.pop("ACCELERATE_CONFIG_DS_FIELDS", None)


def spare_the_compiler() -> None:
    """Keep DeepSpeed from building `deepspeed_shm_comm` when it starts on CPUs.

    It compiles that operator for minutes on first use, though only inference needs it, and a
    process killed meanwhile leaves a lock at which every later one waits for ever. There is no
    setting for it, hence its table of operators is told that this one does not fit here.
    """
    import torch

    try:
        import deepspeed.ops
    except ImportError as error:
        raise MissingPart(
            "run.deepspeed needs the package deepspeed",
            hint="pip install 'onethinker-eval[train]'",
        ) from error
    if not torch.cuda.is_available():
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
