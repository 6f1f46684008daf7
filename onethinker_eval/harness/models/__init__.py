"""Models this project adds to lmms-eval, by its entry point `lmms_eval.models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CLASSES", "HERE", "decisive", "manifests"]

CLASSES = {
    "oracle": "onethinker_eval.harness.models.oracle.Oracle",
    "baseline": "onethinker_eval.harness.models.baseline.Baseline",
    "replay": "onethinker_eval.harness.models.replay.Replay",
    "onethinker": "onethinker_eval.harness.models.onethinker.OneThinker",
    "onethinker-tiny": "onethinker_eval.harness.models.onethinker.OneThinkerTiny",
    "onethinker-vllm": "onethinker_eval.harness.models.vllm_model.OneThinkerVllm",
    "onethinker-api": "onethinker_eval.harness.models.api_model.OneThinkerApi",
}
"""Model name → the class that lmms-eval imports when the model is asked for."""

HERE = {
    "vllm": "onethinker_eval.harness.models.vllm_model.VllmByFamily",
    "openai": "onethinker_eval.harness.models.api_model.OneThinkerApi",
}
"""Names of lmms-eval that mean our classes in `onethinker-eval`; `lmms-eval` keeps its own."""

_BUSY = ("decode_workers", "decode_threads", "decode_gib", "decode_limit_s")
_PLACEMENT = (
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enforce_eager"),
    *("gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "device_map"),
    *("distributed_executor_backend", "mm_processor_cache_gb", "renderer_num_workers"),
)
_CALLING = ("timeout", "retries", "requests_per_minute", "api_key_env", "price_in", "price_out")
_MECHANICS = {
    "onethinker": _BUSY,
    "onethinker-tiny": _BUSY,
    **dict.fromkeys(("vllm", "onethinker-vllm"), (*_BUSY, *_PLACEMENT)),
    **dict.fromkeys(("openai", "onethinker-api"), (*_BUSY, *_CALLING)),
}


def decisive(model: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the `arguments` of `model` that say what is asked, without those that say how fast.

    A run may go on with more GPUs, other concurrency or another price, as it may with another
    batch size.

    >>> decisive("vllm", {"pretrained": "m", "tensor_parallel_size": "4", "fps": "1"})
    {'pretrained': 'm', 'fps': '1'}
    """
    free = {"num_concurrent", "in_flight_gib", *_MECHANICS.get(model, ())}
    left_out = free if model in _MECHANICS else set()
    return {key: value for key, value in arguments.items() if key not in left_out}


def manifests(*, here: bool = False) -> list[Any]:
    """Return lmms-eval's manifests of our models; called by lmms-eval when it starts.

    `here` adds the names that only `onethinker-eval` gives another meaning.
    """
    from lmms_eval.models.registry_v2 import ModelManifest

    classes = {**CLASSES, **HERE} if here else CLASSES
    return [ModelManifest(model_id=name, chat_class_path=path) for name, path in classes.items()]
