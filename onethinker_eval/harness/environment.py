"""What must be in place before lmms-eval, transformers and torch are imported.

- The video reader of qwen-vl-utils is chosen once, at its import: left alone it takes torchcodec
  when that is merely installed, and hides the failure behind an unrelated `AttributeError`.
- `import lmms_eval.evaluator` spends most of its time on `evaluate`, which it needs only for
  metrics named in a task file; that package is therefore imported at first use.
- Libraries talk through five channels (warnings, logging, loguru, tqdm, environment switches);
  unless asked for, only errors pass.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import warnings
from datetime import timedelta
from types import ModuleType
from typing import Any

from onethinker_eval.paths import cache_dir

__all__ = [
    "distributed_rank",
    "join_ranks",
    "lone_launch",
    "prepare",
    "silence_lmms_eval",
    "world_size",
]

_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "DATASETS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "DECORD_LOG_LEVEL": "QUIET",
}
_PATIENCE = timedelta(days=30)
"""How long a rank waits for the others: as long as any benchmark may take them."""

_LOGGERS = (
    *("transformers", "datasets", "accelerate", "huggingface_hub", "httpx", "vllm", "PIL"),
    "qwen_vl_utils",
)


def prepare(*, verbose: bool = False) -> None:
    """Set environment switches and silence libraries; call it before the first heavy import.

    Values the user has set stay. With `verbose` nothing is silenced.
    """
    if "FORCE_QWENVL_VIDEO_READER" not in os.environ:
        for reader in ("decord", "torchcodec"):
            if importlib.util.find_spec(reader) is not None:
                os.environ["FORCE_QWENVL_VIDEO_READER"] = reader
                break
    os.environ.setdefault("HF_DATASETS_CACHE", str(cache_dir() / "datasets"))
    _import_at_first_use("evaluate")
    if verbose:
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module=r"(?!onethinker_eval).*")
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    _silence_bars()
    if importlib.util.find_spec("loguru") is not None:
        import lmms_eval.models  # noqa: F401

        silence_lmms_eval()


def silence_lmms_eval() -> None:
    """Take away the log handlers of lmms-eval; some of its modules install one when imported."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="CRITICAL")


def _silence_bars() -> None:
    """Switch off tqdm's bars for good: lmms-eval and its models enable theirs one by one."""
    from tqdm import std

    if getattr(std.tqdm.__init__, "silenced", False):
        return
    original = std.tqdm.__init__

    def silent(self: Any, *args: Any, **options: Any) -> None:
        options["disable"] = True
        original(self, *args, **options)

    silent.silenced = True  # type: ignore[attr-defined]
    std.tqdm.__init__ = silent  # type: ignore[method-assign]


class _AtFirstUse(ModuleType):
    """Stands in for a module until one of its own names is asked for.

    `importlib.util.LazyLoader` would be woken by anything that walks over all modules, as torch
    does while it is imported.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _import_at_first_use(name: str) -> None:
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None:
        return
    module = _AtFirstUse(name)
    module.__spec__ = spec
    module.__path__ = list(spec.submodule_search_locations or [])
    sys.modules[name] = module


def distributed_rank() -> int:
    """Return this process's rank among those that share the run (torchrun, accelerate)."""
    return int(os.environ.get("RANK", "0"))


def join_ranks(device: str | None = None) -> None:
    """Set the processes of a shared run up to speak to each other; nothing with one process.

    lmms-eval and accelerate would do it as well, but with two faults: without a GPU accelerate
    starts only if told so, and a rank that is done half an hour before the others would be given
    up. `device` is what `--device` says.
    """
    if world_size() < 2:
        return
    import torch
    from torch import distributed

    gpu = torch.cuda.is_available() and not (device or "").startswith("cpu")
    if not gpu:
        os.environ.setdefault("ACCELERATE_USE_CPU", "true")
    if not distributed.is_initialized():
        # No device is set here: a vLLM engine chooses its own, in a process of its own.
        backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        distributed.init_process_group(backend, timeout=_PATIENCE)


def lone_launch() -> str:
    """Return a line if a launcher that was to start several processes has started one alone.

    `accelerate launch --num_processes 2` does without `--multi_gpu` (or its like): it names the
    port that processes meet at, and starts one process that is told neither rank nor number.
    """
    several = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ
    if not several or "WORLD_SIZE" in os.environ:
        return ""
    return (
        "accelerate has started one process alone, and it does all the work; several are started "
        "by `accelerate launch --multi_gpu --num_processes N`, without a GPU too, or by torchrun"
    )


def world_size() -> int:
    """Return how many processes share the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))
